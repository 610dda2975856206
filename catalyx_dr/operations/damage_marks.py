"""What follows from flaws: marks beside the captures, and records that tell the truth of each place."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Protocol

from catalyx_dr.adapters.records import RecordStore, legible_one
from catalyx_dr.model.damage import Damage
from catalyx_dr.model.flaw import Flaw, Grade
from catalyx_dr.model.record import Record, RecordKind

_FAULTS_KEPT = 10


class Marked(Protocol):
    """A place where captures are kept, each with a mark beside it when it is damaged."""

    def is_damaged(self, capture_id: str, /) -> bool:
        """Tell whether a capture is marked."""

    def condemn(self, damage: Damage, /) -> None:
        """Mark a capture."""

    def acquit(self, sound: Damage, /) -> None:
        """Say that a capture is sound again."""


class Judge:
    """Keeps marks and records of one kind of capture of one validator in step with what was found."""

    def __init__(
        self, kind: RecordKind, validator: str, store: RecordStore, now: datetime, say: Callable[[str], None]
    ) -> None:
        self._kind, self._validator, self._store, self._now, self._say = kind, validator, store, now, say

    def judge(self, place: str, marks: Marked | None, looked_at: Iterable[str], flaws: Iterable[Flaw]) -> None:
        """Mark what is damaged, acquit what was read and is sound, and strike from the records what is lost.

        `marks` is None where nothing can be written beside a capture: then the record alone tells.
        """
        found = list(flaws)
        unclear = {flaw.capture for flaw in found if flaw.grade is Grade.UNREAD}
        for capture_id in sorted({*looked_at, *(flaw.capture for flaw in found)}):
            mine = [flaw for flaw in found if flaw.capture == capture_id]
            faults, headless, lost = (
                [flaw.text for flaw in mine if flaw.grade is grade]
                for grade in (Grade.DAMAGED, Grade.HEADLESS, Grade.LOST)
            )
            if faults:
                self._condemn(capture_id, place, marks, faults)
            elif headless:
                self._condemn(capture_id, place, None, headless)
            elif lost:
                self._strike(capture_id, place, lost[0])
            elif capture_id not in unclear:
                self._acquit(capture_id, place, marks)

    def _condemn(self, capture_id: str, place: str, marks: Marked | None, faults: list[str]) -> None:
        if marks is not None and not marks.is_damaged(capture_id):
            with self._said(capture_id):
                marks.condemn(Damage(capture_id=capture_id, found=self._now, faults=tuple(faults[:_FAULTS_KEPT])))
        self._say(f"{capture_id} is damaged on the {place}: no recovery chooses it there, no retention counts it")
        record = self._record(capture_id)
        if record is not None:
            self._store.save(record.model_copy(update={"damaged": {**record.damaged, place: faults[0]}}))

    def _strike(self, capture_id: str, place: str, text: str) -> None:
        record = self._record(capture_id)
        if record is not None:
            gone = record.without(place)
            self._store.save(gone.model_copy(update={"damaged": {**gone.damaged, place: f"gone: {text}"}}))

    def _acquit(self, capture_id: str, place: str, marks: Marked | None) -> None:
        if marks is not None and marks.is_damaged(capture_id):
            with self._said(capture_id):
                marks.acquit(Damage(capture_id=capture_id, found=self._now))
                self._say(f"{capture_id} was marked as damaged on the {place}, and is sound")
        record = self._record(capture_id)
        if record is not None and place in record.damaged and place in record.locations:
            left = {name: how for name, how in record.damaged.items() if name != place}
            self._store.save(record.model_copy(update={"damaged": left}))

    @contextmanager
    def _said(self, capture_id: str) -> Iterator[None]:
        """A disk that takes no mark must not keep the rest from being judged."""
        try:
            yield
        except OSError as error:
            self._say(f"attention: the mark of {capture_id} cannot be changed: {error.filename}: {error.strerror}")

    def _record(self, capture_id: str) -> Record | None:
        return legible_one(self._store, self._kind, self._validator, capture_id)
