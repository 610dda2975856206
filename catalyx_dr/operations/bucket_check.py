"""Re-reads backup sets and identity dumps in the bucket, without any key: the encrypted bytes have checksums too."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from catalyx_dr.adapters.bucket_identities import CONTENT, METADATA, BucketIdentities
from catalyx_dr.adapters.bucket_sets import BucketSets
from catalyx_dr.adapters.bucket_store import BucketStore
from catalyx_dr.adapters.measured_reading import read_object
from catalyx_dr.adapters.rate_limit import Pace
from catalyx_dr.model.backup_set import MANIFEST_NAME, StoredFile
from catalyx_dr.model.errors import MissingError, RefusedError, UnprovenError, UnreachableError
from catalyx_dr.model.flaw import Flaw, Grade
from catalyx_dr.model.record import Record
from catalyx_dr.operations.headless_sets import headless
from catalyx_dr.operations.ownership_check import of_a_stranger, told_by_history, without_record
from catalyx_dr.rules.identity import metadata_of
from catalyx_dr.rules.ownership import stranger

PLACE = "bucket"


@dataclass(frozen=True)
class _Expected:
    """One object of a capture: its key, what was written, and what the listing says of it (bytes, or None)."""

    key: str
    written: StoredFile
    listed: int | None


@dataclass(frozen=True)
class _Reader:
    """Reads objects of captures, and tells a damaged object from one that the listing is wrong about."""

    store: BucketStore
    pace: Pace

    def flaws(self, capture_id: str, expected: _Expected) -> Iterator[Flaw]:
        """Read one object and compare."""
        name = expected.key.rsplit("/", 1)[-1]
        try:
            reading = read_object(self.store, expected.key, self.pace, expected.written.bytes)
        except MissingError:
            told = "though the store lists it" if expected.listed is not None else "and its manifest names it"
            yield Flaw(Grade.DAMAGED, PLACE, capture_id, f"{name} is not there, {told}")
            return
        except (UnreachableError, RefusedError) as error:
            yield Flaw(Grade.UNREAD, PLACE, capture_id, str(error))
            return
        if expected.listed is None:
            yield Flaw(Grade.UNTRUE, PLACE, capture_id, f"the store does not list {name}, though it is there")
        elif expected.listed != reading.bytes <= expected.written.bytes:
            text = f"the store lists {name} with {expected.listed} bytes, it has {reading.bytes}"
            yield Flaw(Grade.UNTRUE, PLACE, capture_id, text)
        if difference := reading.differs_from(expected.written):
            yield Flaw(Grade.DAMAGED, PLACE, capture_id, f"{name} {difference}")


@dataclass(frozen=True)
class SetsInBucket:
    """Sets of one validator. `records`: of completed sets, by id; `running`: ids of runs that go on."""

    sets: BucketSets
    records: Mapping[str, Record]
    running: frozenset[str]
    pace: Pace
    say: Callable[[str], None]

    def flaws(self, looked_at: set[str]) -> Iterator[Flaw]:
        """Check every set that is listed or recorded, newest first; ids that were read go into `looked_at`."""
        listed = self.sets.listed()
        recorded = {set_id for set_id, record in self.records.items() if PLACE in record.locations}
        for set_id in sorted(listed.keys() | recorded, reverse=True):
            names = listed.get(set_id, {})
            if set_id not in recorded and MANIFEST_NAME not in names:
                if set_id not in self.running:
                    yield Flaw(
                        Grade.ODD,
                        PLACE,
                        set_id,
                        "an unfinished export left it; the next backup goes on with it, or removes it",
                    )
                continue
            self.say(f"set {set_id} in the {PLACE}")
            found = list(self._set(set_id, names))
            if found and self._removed_meanwhile(set_id, names):
                continue
            looked_at.add(set_id)
            yield from found

    def _set(self, set_id: str, names: Mapping[str, int]) -> Iterator[Flaw]:
        try:
            manifest = self.sets.manifest(set_id)
        except MissingError:
            is_headless = names and MANIFEST_NAME not in names
            yield headless(self.sets, set_id) if is_headless else _absent(set_id, MANIFEST_NAME, listed=bool(names))
            return
        except RefusedError as error:
            yield Flaw(Grade.UNREAD, PLACE, set_id, str(error))
            return
        except UnprovenError as error:
            yield Flaw(Grade.DAMAGED, PLACE, set_id, f"it cannot be decoded: {error}")
            return
        if MANIFEST_NAME not in names:
            yield Flaw(Grade.UNTRUE, PLACE, set_id, "the store does not list its manifest, though it is there")
        if whose := stranger(self.sets.spec, manifest):
            yield of_a_stranger(PLACE, set_id, whose, self.records.get(set_id))
            return
        yield from told_by_history(PLACE, manifest, self.records, self.running)
        reader = _Reader(self.sets.store, self.pace)
        for capture in manifest.databases:
            if not capture.segments:
                yield Flaw(Grade.DAMAGED, PLACE, set_id, f"its manifest names no object of the {capture.role} database")
            for one in capture.segments:
                yield from reader.flaws(set_id, _Expected(self.sets.key(set_id, one.path), one, names.get(one.path)))

    def _removed_meanwhile(self, set_id: str, names: Mapping[str, int]) -> bool:
        """Tell whether retention removed the set while it was read: then it is listed no longer."""
        return MANIFEST_NAME in names and MANIFEST_NAME not in self.sets.listed().get(set_id, {})


@dataclass(frozen=True)
class DumpsInBucket:
    """Identity dumps of one validator; `records`: of completed dumps, by id."""

    dumps: BucketIdentities
    records: Mapping[str, Record]
    pace: Pace

    def flaws(self, looked_at: set[str]) -> Iterator[Flaw]:
        """Check every dump that is listed or recorded, newest first; ids that were read go into `looked_at`."""
        listed = self.dumps.listed()
        recorded = {dump_id for dump_id, record in self.records.items() if PLACE in record.locations}
        for dump_id in sorted(listed.keys() | recorded, reverse=True):
            endings = listed.get(dump_id, {})
            if dump_id not in recorded and METADATA not in endings:
                yield Flaw(Grade.ODD, PLACE, dump_id, "an unfinished run left a part of an identity dump")
                continue
            found = list(self._dump(dump_id, endings))
            if found and METADATA in endings and METADATA not in self.dumps.listed().get(dump_id, {}):
                continue  # retention removed it meanwhile
            looked_at.add(dump_id)
            yield from found

    def _dump(self, dump_id: str, endings: Mapping[str, int]) -> Iterator[Flaw]:
        try:
            metadata = self.dumps.metadata(dump_id)
        except MissingError:
            is_headless = CONTENT in endings and METADATA not in endings
            yield self._headless(dump_id) if is_headless else _absent(dump_id, "its metadata", listed=bool(endings))
            return
        except RefusedError as error:
            yield Flaw(Grade.UNREAD, PLACE, dump_id, str(error))
            return
        except UnprovenError as error:
            yield Flaw(Grade.DAMAGED, PLACE, dump_id, str(error))
            return
        if METADATA not in endings:
            yield Flaw(Grade.UNTRUE, PLACE, dump_id, "the store does not list its metadata, though they are there")
        record = self.records.get(dump_id)
        if record is None:
            if whose := stranger(self.dumps.spec, metadata):
                yield of_a_stranger(PLACE, dump_id, whose, record)
                return
            yield without_record(PLACE, dump_id)
        elif metadata_of(record) not in (None, metadata):
            yield Flaw(Grade.DAMAGED, PLACE, dump_id, "its metadata are not those that its record has")
        if metadata.object is None:
            yield Flaw(Grade.DAMAGED, PLACE, dump_id, "its metadata name no encrypted content")
            return
        expected = _Expected(self.dumps.content_key(dump_id), metadata.object, endings.get(CONTENT))
        yield from _Reader(self.dumps.store, self.pace).flaws(dump_id, expected)

    def _headless(self, dump_id: str) -> Flaw:
        key = self.dumps.metadata_key(dump_id)
        text = (
            f"its metadata are not there, its encrypted content is: restore the older version of {key} where the "
            "bucket is versioned, else run another dump"
        )
        return Flaw(Grade.HEADLESS, PLACE, dump_id, text)


def _absent(capture_id: str, what: str, *, listed: bool) -> Flaw:
    if listed:
        return Flaw(Grade.DAMAGED, PLACE, capture_id, f"the store lists {what}, and it is not there")
    return Flaw(Grade.LOST, PLACE, capture_id, "its record names it, and it is not there")
