"""Which fields differ between two versions of a specification, in words where a field has some."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pydantic import BaseModel

from catalyx_dr.model.validator_spec import Encryption
from catalyx_dr.rules.review.described import described, recipient
from catalyx_dr.rules.review.words import arrow, code, length

_NOTHING = "none"
_KEPT = {
    "keep": "the newest {} that are kept",
    "within": "age up to which all {} are kept",
    "daily": "days of which one of the {} is kept",
    "weekly": "weeks of which one of the {} is kept",
    "monthly": "months of which one of the {} is kept",
    "yearly": "years of which one of the {} is kept",
    "floor": "{} that no rule removes",
}
_KEPT_AT = {
    "backup.volume.retention": "sets on the volume",
    "backup.bucket.retention": "sets in the bucket",
    "backup.snapshot.retention": "sets in snapshots",
    "identityDump.retention": "identity dumps in the cluster",
    "identityDump.bucketRetention": "identity dumps in the bucket",
}
WORDS: Mapping[str, str] = {
    "namespace": "namespace",
    "partyHint": "party hint",
    "nodeIdentifier": "node identifier",
    "migrationId": "migration id",
    "backup": "database backups",
    "backup.cron": "backups run",
    "backup.timeZone": "time zone of backups",
    "backup.suspend": "backups are suspended",
    "backup.deadline": "a backup may take",
    "backup.parallelJobs": "parallel dump jobs",
    "backup.compressionLevel": "compression level",
    "backup.scratch": "working space of a backup",
    "backup.method": "how databases are captured",
    "backup.snapshot": "sets in snapshots",
    "backup.snapshot.volumeSnapshotClass": "class of the snapshots",
    "backup.snapshot.readyWithin": "a snapshot must be ready within",
    "backup.volume": "sets on a volume",
    "backup.volume.storageClass": "storage class of the volume",
    "backup.volume.headroomPercent": "headroom of the volume in percent",
    "backup.volume.limit": "limit of the volume",
    "backup.volume.encryptedAtRest": "the volume's disks are encrypted",
    "backup.bucket": "sets in a bucket",
    "backup.bucket.name": "bucket",
    "backup.bucket.prefix": "prefix in the bucket",
    "backup.bucket.endpoint": "endpoint of the store",
    "backup.bucket.region": "region of the bucket",
    "backup.bucket.kmsKey": "key that the store encrypts with",
    "backup.bucket.objectLock": "object lock",
    "backup.bucket.objectLock.mode": "mode of the object lock",
    "backup.bucket.objectLock.retention": "copies are locked for",
    "identityDump": "identity dumps",
    "identityDump.cron": "identity dumps run",
    "identityDump.timeZone": "time zone of identity dumps",
    "identityDump.suspend": "identity dumps are suspended",
    "identityDump.deadline": "an identity dump may take",
    "drill": "rehearsal of a restore",
    "drill.cron": "a restore is rehearsed",
    "alerts": "somebody is told of failures",
    "verification": "verification of what was captured",
    "verification.cron": "what was captured is verified",
    "encryption": "keys that open the copies",
    "encryption.recipients": "keys that open the copies",
    "databases.validatorApp.name": "the validator app's database",
    "databases.validatorApp.storage": "storage of the validator app's database",
    "databases.participant.name": "the participant's database",
    "databases.participant.storage": "storage of the participant's database",
    "databases.server.host": "database server",
    "participantPruningRetention": "the participant prunes after",
    "externalKms": "the participant's keys are in an external KMS",
    "workloads": "workloads that a recovery stops",
    "replacedDatabasesKeep": "a restore keeps the replaced databases for",
    "agent.image": "image of the jobs",
    "agent.pullPolicy": "the image is pulled",
    **{f"{place}.{name}": words.format(what) for place, what in _KEPT_AT.items() for name, words in _KEPT.items()},
}


@dataclass(frozen=True)
class FieldChange:
    """A field with its path as the file writes it, and both values ready for Markdown."""

    path: str
    old: str
    new: str

    def __str__(self) -> str:
        return f"{WORDS.get(self.path) or code(self.path)} {arrow(self.old, self.new)}"


def field_changes(before: BaseModel, after: BaseModel, path: str = "") -> Iterator[FieldChange]:
    """Differences, a block that comes or goes as one."""
    if type(before) is not type(after):
        yield FieldChange(path, _text(before), _text(after))
        return
    for name, field in type(after).model_fields.items():
        old, new = getattr(before, name), getattr(after, name)
        place = ".".join(filter(None, (path, field.alias or name)))
        if old == new:
            continue
        if isinstance(old, BaseModel) and isinstance(new, BaseModel):
            yield from field_changes(old, new, place)
        elif isinstance(after, Encryption):
            yield FieldChange(place, ", ".join(map(recipient, old)), ", ".join(map(recipient, new)))
        else:
            yield FieldChange(place, _text(old), _text(new))


def _text(value: Any) -> str:
    match value:
        case None | ():
            return _NOTHING
        case bool():
            return "yes" if value else "no"
        case timedelta():
            return length(value)
        case BaseModel():
            return described(value)
        case tuple():
            return ", ".join(code(str(one)) for one in value)
        case Mapping():
            return ", ".join(code(f"{key}: {one}") for key, one in value.items()) or _NOTHING
        case _:
            return code(str(value))
