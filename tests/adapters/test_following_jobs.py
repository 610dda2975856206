"""Following a Job while the API comes and goes."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from catalyx_dr.adapters import api_silence, jobs, waiting
from catalyx_dr.adapters.jobs import CannotStartError, JobState, follow
from catalyx_dr.model.errors import RefusedError, UnreachableError


class _Cluster:
    namespace = "canton"


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the API answers to each question for the Job's state; the last one for good."""
    given: list[Any] = []

    def state(cluster: object, name: str) -> JobState:
        answer = given.pop(0) if len(given) > 1 else given[0]
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, JobState)
        return answer

    lines: Iterator[list[str]] = iter([["one"], ["one", "two"], ["one", "two", "three"]])
    monkeypatch.setattr(waiting, "_POLL_SECONDS", 0.01)
    monkeypatch.setattr(api_silence, "_POLL_SECONDS", 0.01)
    monkeypatch.setattr(jobs, "state", state)
    monkeypatch.setattr(jobs, "log_lines", lambda cluster, name: next(lines, ["one", "two", "three"]))
    monkeypatch.setattr(jobs, "_hopeless_wait", lambda cluster, name: None)
    return given


def shown(patience: timedelta | None = None) -> tuple[JobState, list[str]]:
    lines: list[str] = []
    return follow(_Cluster(), "job", lines.append, patience), lines  # type: ignore[arg-type]


def test_every_line_is_shown_once(answers: list[Any]) -> None:
    answers += [JobState.ACTIVE, JobState.ACTIVE, JobState.SUCCEEDED]
    assert shown() == (JobState.SUCCEEDED, ["one", "two", "three"])


def test_api_that_is_away_for_a_moment_does_no_harm(answers: list[Any]) -> None:
    away = UnreachableError("away")
    answers += [JobState.ACTIVE, away, away, RefusedError("who are you?"), JobState.ACTIVE, JobState.FAILED]
    state, lines = shown()
    assert state is JobState.FAILED
    assert [line for line in lines if "does not answer" not in line] == ["one", "two", "three"]
    assert len(lines) == 4, "one silence is told once"


def test_refusal_without_a_silence_ends_the_watch_at_once(answers: list[Any]) -> None:
    answers += [JobState.ACTIVE, RefusedError("not allowed to read Job canton/job")]
    with pytest.raises(RefusedError, match="not allowed"):
        shown()


def test_api_that_stays_away_ends_the_watch(answers: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_silence, "API_SILENCE", timedelta(seconds=0.05))
    answers += [JobState.ACTIVE, UnreachableError("away")]
    with pytest.raises(UnreachableError, match="away"):
        shown()


def test_job_that_can_never_start_ends_the_watch_at_once(answers: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    answers += [JobState.ACTIVE]
    monkeypatch.setattr(jobs, "_hopeless_wait", lambda cluster, name: "ErrImageNeverPull: no such image")
    with pytest.raises(CannotStartError, match="ErrImageNeverPull"):
        shown()


def test_patience_ends(answers: list[Any]) -> None:
    answers += [JobState.ACTIVE]
    with pytest.raises(UnreachableError, match="has not ended after"):
        shown(timedelta(seconds=0.05))
