"""How every operation reports: one line a phase on the log, the same in its record."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from threading import Event, Lock, Thread

from pydantic import JsonValue

from catalyx_dr.adapters.records import RecordStore
from catalyx_dr.model.environment_spec import VerdictOverride
from catalyx_dr.model.errors import CatalyxDrError, EndedError
from catalyx_dr.model.record import EXPECTED_BYTES, Record, RecordKind, RecordStatus
from catalyx_dr.rules.verdict import Verdict

_LOOK_EVERY_SECONDS = 5.0


class Progress:
    """One run in progress. Made by `reporting`; enter `phase` for each step."""

    def __init__(self, record: Record, store: RecordStore, now: Callable[[], datetime]) -> None:
        self.record = record
        self._store = store
        self._now = now
        self._keeping = Lock()
        self._attention: list[str] = []

    def phase(self, name: str, percent: int) -> None:
        """Enter a phase; `percent` of the whole is done before it."""
        self._keep(phase=name, percent=percent)
        print(f"{self._label}: {percent:3d} % {name}", flush=True)  # noqa: T201 - the job's log is its voice

    @contextmanager
    def measuring(self, done: Callable[[], int], expected: int, until: int) -> Iterator[None]:
        """Keep the bytes that are done, and the share of the way to `until` percent, while the body runs.

        `done` counts bytes, and a look that fails is left out; `expected` bytes are a guess, so the share ends at one.
        """
        begin, ended = self.record.percent, Event()

        def look() -> None:
            while not ended.wait(_LOOK_EVERY_SECONDS):
                with suppress(CatalyxDrError, OSError):
                    count = done()
                    share = min(count / max(expected, 1), 1)
                    percent = begin + int((until - begin) * share)
                    self._keep(bytes=count, percent=max(percent, self.record.percent))

        self.remember(**{EXPECTED_BYTES: expected})
        looking = Thread(target=look, name="progress", daemon=True)
        looking.start()
        try:
            yield
        finally:
            ended.set()
            looking.join()

    def note(self, message: str) -> None:
        """Say something that is no phase."""
        print(f"{self._label}: {message}", flush=True)  # noqa: T201

    def attend(self, fault: str) -> None:
        """Say what people have to know although the run goes on; the record of its end has it too."""
        self._attention.append(fault)
        self.note(f"attention: {fault}")

    def remember(self, **details: JsonValue) -> None:
        """Keep details at once, so that they are there when the run fails later."""
        self._keep(details={**self.record.details, **details})

    def judge(self, verdicts: Iterable[Verdict], overrides: Iterable[VerdictOverride]) -> None:
        """Say every verdict of a preflight, and keep them with the reasons of those that were overridden."""
        told: list[JsonValue] = []
        for verdict in verdicts:
            self.note(str(verdict))
            told.append(verdict.document)
        reasons: dict[str, JsonValue] = {one.verdict: one.reason for one in overrides}
        self.remember(preflight=told, **({"overrides": reasons} if reasons else {}))

    def complete(
        self,
        message: str,
        *,
        size: int = 0,
        locations: tuple[str, ...] = (),
        details: dict[str, JsonValue] | None = None,
        taken: tuple[datetime, datetime] | None = None,
    ) -> Record:
        """End the run as proven; `taken`: when what it adopts was begun and complete, which is what history shows."""
        started, finished = taken or (self.record.started, self._now())
        self._keep(
            status=RecordStatus.COMPLETED,
            phase="completed",
            percent=100,
            started=started,
            finished=finished,
            message="; ".join([message, *(f"attention: {fault}" for fault in self._attention)]),
            bytes=size,
            locations=locations,
            details={**self.record.details, **(details or {})},
        )
        self.note(f"completed: {self.record.message}")
        return self.record

    def fail(self, message: str) -> None:
        """End the run as failed, in the phase it was in."""
        self._keep(status=RecordStatus.FAILED, finished=self._now(), message=message, bytes=0)
        self.note(f"failed in phase {self.record.phase!r}: {message}")

    @property
    def _label(self) -> str:
        return f"{self.record.kind} {self.record.validator}/{self.record.identifier}"

    def _keep(self, **changes: object) -> None:
        with self._keeping:
            self.record = self.record.model_copy(update=changes)
            self._store.save(self.record)


@contextmanager
def reporting(
    kind: RecordKind,
    identifier: str,
    validator: str,
    store: RecordStore,
    now: Callable[[], datetime],
    **details: JsonValue,
) -> Iterator[Progress]:
    """Keep a record from the first phase on; any error is recorded with its phase and raised again.

    `details`: what an earlier run of the same request has to tell this one, or the next.
    """
    record = Record(
        kind=kind,
        identifier=identifier,
        validator=validator,
        status=RecordStatus.RUNNING,
        phase="started",
        started=now(),
        details=details,
    )
    progress = Progress(record, store, now)
    progress.phase("started", 0)
    try:
        yield progress
    except (CatalyxDrError, EndedError) as error:
        progress.fail(str(error))
        raise
    except Exception as error:
        # The text of an unexpected error may hold anything; its type tells enough for a record.
        progress.fail(f"unexpected {type(error).__name__}; see the job's log")
        raise
