"""History made anew from what a store holds, when the records are gone with their namespace or cluster."""

from collections.abc import Callable, Iterable

from catalyx_dr.adapters.records import RecordStore
from catalyx_dr.model.backup_set import Manifest
from catalyx_dr.model.identity_dump import IdentityDumpMetadata
from catalyx_dr.model.record import REBUILT, Record, RecordKind, RecordStatus
from catalyx_dr.operations.restore_source import RestoreSource
from catalyx_dr.operations.set_details import set_details
from catalyx_dr.rules.identity import METADATA_DETAIL


def rebuild_sets(
    source: RestoreSource, place: str, validator: str, records: RecordStore, say: Callable[[str], None]
) -> None:
    """Make the record of every complete set at `place` that has none: history, retention and previews know it again."""
    known = {record.identifier for record in records.list(validator, RecordKind.BACKUP_SET)}
    lost = [one.identifier for one in source.captures() if one.proven and one.identifier not in known]
    _keep((_of_set(source.manifest(identifier), place) for identifier in lost), records)
    if lost:
        say(f"{len(lost)} sets in the {place} had no record any more; history knows them again")


def rebuild_dumps(
    listed: Iterable[IdentityDumpMetadata], place: str, validator: str, records: RecordStore, say: Callable[[str], None]
) -> None:
    """The same for identity dumps."""
    known = {record.identifier for record in records.list(validator, RecordKind.IDENTITY_DUMP)}
    lost = [one for one in listed if one.dump_id not in known]
    _keep((_of_dump(one, place) for one in lost), records)
    if lost:
        say(f"{len(lost)} identity dumps in the {place} had no record any more; history knows them again")


def _keep(made: Iterable[Record], records: RecordStore) -> None:
    for record in made:
        records.save(record)


def _of_set(manifest: Manifest, place: str) -> Record:
    return Record(
        kind=RecordKind.BACKUP_SET,
        identifier=manifest.set_id,
        validator=manifest.validator,
        status=RecordStatus.COMPLETED,
        phase="completed",
        percent=100,
        started=manifest.started,
        finished=manifest.completed,
        bytes=manifest.bytes,
        locations=(place,),
        message=f"found in the {place}; its own record was lost",
        details={**set_details(manifest), REBUILT: True},
    )


def _of_dump(metadata: IdentityDumpMetadata, place: str) -> Record:
    return Record(
        kind=RecordKind.IDENTITY_DUMP,
        identifier=metadata.dump_id,
        validator=metadata.validator,
        status=RecordStatus.COMPLETED,
        phase="completed",
        percent=100,
        started=metadata.taken,
        finished=metadata.taken,
        bytes=metadata.bytes,
        locations=(place,),
        message=f"found in the {place}; its own record was lost",
        details={METADATA_DETAIL: metadata.model_dump(mode="json"), REBUILT: True},
    )
