"""Fixtures of the commands' tests: a namespace of the real cluster, and the command line as people type it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from catalyx_dr import cli
from tests.engine.conftest import client, kubeconfig, namespace

__all__ = ["client", "kubeconfig", "namespace", "typed", "typed_anywhere"]


@dataclass(frozen=True)
class Ended:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str


Typed = Callable[..., Ended]


@pytest.fixture
def typed(kubeconfig: Path, typed_anywhere: Typed, monkeypatch: pytest.MonkeyPatch) -> Typed:
    """Run `catalyx-dr` with these words where the cluster can be reached."""
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    return typed_anywhere


@pytest.fixture
def typed_anywhere(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Typed:
    """Run `catalyx-dr` with these words on a terminal of 80 columns."""
    monkeypatch.setenv("COLUMNS", "80")

    def run(*words: str) -> Ended:
        monkeypatch.setattr("sys.argv", ["catalyx-dr", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        told = capsys.readouterr()
        return Ended(int(ended.value.code or 0), told.out, told.err)

    return run
