"""What a verification tells of captures whose history or owner is not what the place is for."""

from collections.abc import Collection, Iterator, Mapping

from catalyx_dr.model.backup_set import Manifest
from catalyx_dr.model.flaw import Flaw, Grade
from catalyx_dr.model.record import Record
from catalyx_dr.rules.ownership import is_as_recorded, other_keys
from catalyx_dr.rules.validator_status import participant_of

_NO_RECORD = "no record tells of it; it is listed and usable, history lacks it"


def of_a_stranger(place: str, capture_id: str, whose: str, record: Record | None) -> Flaw:
    """A capture of another validator is nothing wrong by itself, and damage where the record has an own one."""
    replaced = record is not None and place in record.locations
    text = f"{whose}; it counts for nothing and no retention removes it: move it away"
    return Flaw(Grade.DAMAGED if replaced else Grade.ODD, place, capture_id, text)


def without_record(place: str, capture_id: str) -> Flaw:
    """A capture that history does not know."""
    return Flaw(Grade.ODD, place, capture_id, _NO_RECORD)


def told_by_history(
    place: str, manifest: Manifest, records: Mapping[str, Record], running: Collection[str]
) -> Iterator[Flaw]:
    """What history tells of an own set.

    `records`: of completed sets, newest first, whose newest tells the present keys; `running`: ids of runs that go on.
    """
    if manifest.set_id not in records and manifest.set_id not in running:
        yield without_record(place, manifest.set_id)
    record = records.get(manifest.set_id)
    if record is not None and not is_as_recorded(manifest, record):
        text = "its manifest is not the one that its run wrote: restore the older version, or remove the set"
        yield Flaw(Grade.DAMAGED, place, manifest.set_id, text)
    present = next(filter(None, map(participant_of, records.values())), None)
    if whose := other_keys(manifest.participant_id, present):
        yield Flaw(Grade.ODD, place, manifest.set_id, f"{whose}; retention neither counts nor removes it")
