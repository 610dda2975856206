"""History made anew from what a store holds, when the records are gone with their namespace or cluster."""

from collections.abc import Callable, Iterable
from datetime import datetime

from pydantic import JsonValue

from catalyx_dr.adapters.records import RecordStore
from catalyx_dr.model.backup_set import Manifest
from catalyx_dr.model.identity_dump import IdentityDumpMetadata
from catalyx_dr.model.record import REBUILT, Record, RecordKind, RecordStatus
from catalyx_dr.operations.restore_source import RestoreSource
from catalyx_dr.operations.set_details import set_details
from catalyx_dr.rules.identity import METADATA_DETAIL

_LOST = "its own record was lost"


def rebuild_sets(
    source: RestoreSource, place: str, validator: str, records: RecordStore, say: Callable[[str], None]
) -> None:
    """Make the record of every complete set at `place` that has none: history, retention and previews know it again."""
    known = {record.identifier for record in records.list(validator, RecordKind.BACKUP_SET)}
    lost = [one.identifier for one in source.captures() if one.proven and one.identifier not in known]
    _keep((record_of_set(source.manifest(one), (place,), _LOST, rebuilt=True) for one in lost), records)
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


def record_of_set(manifest: Manifest, places: tuple[str, ...], why: str, *, rebuilt: bool = False) -> Record:
    """Record of a proven set, made from its manifest; `rebuilt`: nothing else tells that it was taken here."""
    return _proven(
        RecordKind.BACKUP_SET,
        manifest.set_id,
        manifest.validator,
        (manifest.started, manifest.completed),
        manifest.bytes,
        places,
        why,
        {**set_details(manifest), **({REBUILT: True} if rebuilt else {})},
    )


def _of_dump(metadata: IdentityDumpMetadata, place: str) -> Record:
    return _proven(
        RecordKind.IDENTITY_DUMP,
        metadata.dump_id,
        metadata.validator,
        (metadata.taken, metadata.taken),
        metadata.bytes,
        (place,),
        _LOST,
        {METADATA_DETAIL: metadata.model_dump(mode="json"), REBUILT: True},
    )


def _proven(
    kind: RecordKind,
    identifier: str,
    validator: str,
    span: tuple[datetime, datetime],
    size: int,
    places: tuple[str, ...],
    why: str,
    details: dict[str, JsonValue],
) -> Record:
    return Record(
        kind=kind,
        identifier=identifier,
        validator=validator,
        status=RecordStatus.COMPLETED,
        phase="completed",
        percent=100,
        started=span[0],
        finished=span[1],
        bytes=size,
        locations=places,
        message=f"found in the {' and the '.join(places)}; {why}",
        details=details,
    )
