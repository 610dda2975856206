"""Take an identity dump: fetch, validate, keep in the cluster, export encrypted, prune, record (domain 1.3)."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime

from pydantic import JsonValue

from catalyx_dr.adapters.bucket_identities import BucketIdentities
from catalyx_dr.adapters.bucket_store import BucketStore
from catalyx_dr.adapters.cluster import Cluster
from catalyx_dr.adapters.encryption import check_recipients
from catalyx_dr.adapters.identity_secrets import create_dump, delete_dump
from catalyx_dr.adapters.keycloak import MachineLogin, machine_token
from catalyx_dr.adapters.outage import silent
from catalyx_dr.adapters.records import RecordStore
from catalyx_dr.adapters.secret_files import SecretFiles
from catalyx_dr.adapters.validator_api import ValidatorClient
from catalyx_dr.model.capture import Capture
from catalyx_dr.model.capture_id import capture_id
from catalyx_dr.model.errors import CatalyxDrError, EndedError, RefusedError
from catalyx_dr.model.identity_dump import IdentityDumpMetadata
from catalyx_dr.model.record import Record, RecordKind, RecordStatus
from catalyx_dr.model.retention import Retention
from catalyx_dr.model.validator_spec import ValidatorSpec
from catalyx_dr.operations.progress import Progress, reporting
from catalyx_dr.operations.record_keeping import is_killed
from catalyx_dr.operations.surroundings import Surroundings
from catalyx_dr.operations.unproven_import import attention_to_imports
from catalyx_dr.rules.identity import (
    METADATA_DETAIL,
    changes,
    check_party,
    check_secret_size,
    describe_dump,
    metadata_of,
    of_the_same_keys,
    read_dump,
)
from catalyx_dr.rules.retention import removals, report

IN_CLUSTER, IN_BUCKET = "cluster", "bucket"
FLAGS = "flags"
# Detail of a run that failed: a later one saw to it that nothing of it is left.
_CLEARED = "cleared"
_FAILED_RECORDS_KEPT = 10


def dump_identities(spec: ValidatorSpec, surroundings: Surroundings, cluster: Cluster) -> Record:
    """Take one dump; it is published whole or not at all, and the last good one stays until this one is.

    Raises RefusedError, UnreachableError or UnprovenError; the record tells the phase.
    """
    taken = surroundings.now()
    dump_id = capture_id(taken)
    if surroundings.records.find(RecordKind.IDENTITY_DUMP, spec.name, dump_id) is not None:
        raise RefusedError(f"identity dump {dump_id} is there already, or being taken; run again in a second")
    with reporting(RecordKind.IDENTITY_DUMP, dump_id, spec.name, surroundings.records, surroundings.now) as progress:
        if spec.identity_dump is None:
            raise RefusedError(f"validator {spec.name!r} has no identityDump; declare its cron and retention")
        bucket = checked_bucket(spec, surroundings.secrets, progress.note)
        history = surroundings.records.legible(spec.name, RecordKind.IDENTITY_DUMP)
        for fault in history.faults.values():
            progress.note(f"attention: {fault}")
        known = proven_dumps(history.records)

        client = ValidatorClient(spec.api.url)
        progress.phase("party", 5)
        party = client.validator_user().party_id
        progress.phase("token", 10)
        # After the party, for which a slow validator is asked again: some tokens live for a minute.
        token = machine_token(machine_login(spec, surroundings.secrets))
        progress.phase("fetch", 20)
        content = client.identities(token)

        progress.phase("validate", 40)
        dump = read_dump(content)
        check_party(spec, party)
        metadata = describe_dump(spec, dump, content, party, taken)
        check_secret_size(content, metadata.model_dump_json().encode())
        flags = changes(metadata, known[0][1] if known else None, spec)
        flags += attention_to_imports(spec, surroundings, dump.id)
        for flag in flags:
            progress.note(f"attention: {flag}")

        progress.phase("publish", 55)
        locations = (IN_CLUSTER,) if bucket is None else (IN_CLUSTER, IN_BUCKET)
        # Nothing but the record finds the Secret again, because the job may not list Secrets.
        with published(cluster, bucket, metadata, content) as stored:
            details: dict[str, JsonValue] = {METADATA_DETAIL: stored.model_dump(mode="json"), FLAGS: [*flags]}
            done = progress.complete(
                told_of(metadata, locations, flags), size=metadata.bytes, locations=locations, details=details
            )
    try:
        _prune(spec, surroundings, cluster, bucket, metadata, progress)
    except EndedError:
        # The dump is proven and recorded; who hears of a failed run would look for it in vain.
        progress.note("attention: ended from outside while old dumps were pruned; the next run goes on with that")
    return done


def machine_login(spec: ValidatorSpec, secrets: SecretFiles) -> MachineLogin:
    """Client credentials of the validator's admin API from the mounted Secret."""
    declared = spec.api.credentials
    return MachineLogin(
        url=secrets.read(declared.secret, declared.url_key),
        client_id=secrets.read(declared.secret, declared.client_id_key),
        client_secret=secrets.read(declared.secret, declared.client_secret_key),
        audience=declared.audience,
        scope=declared.scope,
    )


def proven_dumps(records: Iterable[Record]) -> list[tuple[Record, IdentityDumpMetadata]]:
    """Record and metadata of every proven dump, in the order of the records."""
    completed = (one for one in records if one.status is RecordStatus.COMPLETED)
    return [(one, metadata) for one in completed if (metadata := metadata_of(one)) is not None]


def identities_in_bucket(
    spec: ValidatorSpec, secrets: SecretFiles, say: Callable[[str], None] = silent
) -> BucketIdentities | None:
    """Where the validator's dumps are in its bucket; None when it has no bucket."""
    if spec.backup is None or spec.backup.bucket is None:
        return None
    return BucketIdentities(BucketStore.reach(spec.backup.bucket, secrets, say=say), spec)


def checked_bucket(
    spec: ValidatorSpec, secrets: SecretFiles, say: Callable[[str], None] = silent
) -> BucketIdentities | None:
    """The same, after it answered and the recipients were found good; raises RefusedError or UnreachableError."""
    bucket = identities_in_bucket(spec, secrets, say)
    if bucket is not None:
        check_recipients(spec.recipients)
        bucket.store.check()
    return bucket


@contextmanager
def published(
    cluster: Cluster, bucket: BucketIdentities | None, metadata: IdentityDumpMetadata, content: bytes
) -> Iterator[IdentityDumpMetadata]:
    """Keep the dump everywhere, or nowhere when that or the body fails; what lists it in the bucket is written last.

    Yields the metadata as it was stored.
    """
    with ExitStack() as undo:
        if bucket is not None:
            undo.callback(_quietly, lambda: bucket.remove(metadata.dump_id))
            metadata = bucket.put_content(metadata, content)
        create_dump(cluster, content, metadata)
        undo.callback(_quietly, lambda: delete_dump(cluster, metadata.validator, metadata.dump_id))
        if bucket is not None:
            bucket.publish(metadata)
        yield metadata
        undo.pop_all()


def _quietly(action: Callable[[], object]) -> None:
    """Undo as far as possible: the fault that led here is the one to report."""
    with _ignored():
        action()


@contextmanager
def _ignored() -> Iterator[None]:
    try:
        yield
    except CatalyxDrError:
        return


def told_of(metadata: IdentityDumpMetadata, locations: tuple[str, ...], flags: tuple[str, ...]) -> str:
    """What the record says of a dump."""
    text = (
        f"{metadata.participant_id}, {metadata.key_count} keys ({metadata.key_kind}), {metadata.bytes} bytes, "
        f"in {' and '.join(locations)}"
    )
    return f"{text}; attention: {'; '.join(flags)}" if flags else text


@dataclass(frozen=True)
class _Destination:
    name: str
    retention: Retention
    remove: Callable[[str], bool]
    locked_until: Callable[[str], datetime | None]


def _prune(
    spec: ValidatorSpec,
    surroundings: Surroundings,
    cluster: Cluster,
    bucket: BucketIdentities | None,
    newest: IdentityDumpMetadata,
    progress: Progress,
) -> None:
    """Let go what the retention lets go, for each destination; a fault here leaves the new dump proven."""
    for destination in _destinations(spec, cluster, bucket):
        try:
            _prune_at(destination, spec, surroundings, newest, progress)
        except CatalyxDrError as error:
            progress.note(f"attention: dumps in the {destination.name} were not pruned: {error}")
    try:
        _clear_unfinished(spec, surroundings, cluster, bucket, progress)
        _forget(spec, surroundings.records)
    except CatalyxDrError as error:
        progress.note(f"attention: what unfinished runs left was not removed: {error}")


def _clear_unfinished(
    spec: ValidatorSpec,
    surroundings: Surroundings,
    cluster: Cluster,
    bucket: BucketIdentities | None,
    progress: Progress,
) -> None:
    """Remove what unfinished runs left, now that a newer dump is proven: nothing else finds such Secrets with keys.

    One that failed may have met a cluster that kept its Secret and told nobody.
    """
    assert spec.identity_dump is not None  # noqa: S101 - a dump was taken
    for record in surroundings.records.legible(spec.name, RecordKind.IDENTITY_DUMP).records:
        killed = is_killed(record, spec.identity_dump.deadline, surroundings)
        failed = record.status is RecordStatus.FAILED and _CLEARED not in record.details
        if not killed and not failed:
            continue
        delete_dump(cluster, spec.name, record.identifier)
        if bucket is not None:
            bucket.remove(record.identifier)
        closed = record.killed(surroundings.now(), "a later run") if killed else record
        surroundings.records.save(closed.model_copy(update={"details": {**closed.details, _CLEARED: True}}))
        progress.note(f"removed what the unfinished run {record.identifier} left")


def _destinations(spec: ValidatorSpec, cluster: Cluster, bucket: BucketIdentities | None) -> Iterator[_Destination]:
    declared = spec.identity_dump
    if declared is None:
        return

    def remove_secret(dump_id: str) -> bool:
        delete_dump(cluster, spec.name, dump_id)
        return True

    yield _Destination(IN_CLUSTER, declared.retention, remove_secret, lambda _: None)
    if bucket is not None:
        retention = declared.bucket_retention or declared.retention
        yield _Destination(IN_BUCKET, retention, bucket.remove, bucket.locked_until)


def _prune_at(
    at: _Destination, spec: ValidatorSpec, surroundings: Surroundings, newest: IdentityDumpMetadata, progress: Progress
) -> None:
    proven = proven_dumps(surroundings.records.legible(spec.name, RecordKind.IDENTITY_DUMP).records)
    records = {one.identifier: one for one, _ in proven if at.name in one.locations}
    replaceable = of_the_same_keys(
        (metadata for one, metadata in proven if one.identifier in records), newest.participant_id
    )
    captures = [
        Capture(
            one.dump_id,
            one.taken,
            proven=records[one.dump_id].is_sound_in(at.name),
            bytes=one.bytes,
            locked_until=at.locked_until(one.dump_id),
        )
        for one in replaceable
    ]
    for capture in removals(report(captures, at.retention, surroundings.now())):
        if not at.remove(capture.identifier):
            progress.note(f"{capture.identifier} stays in the {at.name}: the store's lock holds it")
            continue
        surroundings.records.save(records[capture.identifier].without(at.name))
        progress.note(f"removed {capture.identifier} from the {at.name}: beyond the retention")


def _forget(spec: ValidatorSpec, store: RecordStore) -> None:
    """Delete records of dumps that are nowhere any more, and old failures but for the newest few."""
    records = store.legible(spec.name, RecordKind.IDENTITY_DUMP).records
    nowhere = [record for record in records if record.status is RecordStatus.COMPLETED and not record.locations]
    lost = [record for record in nowhere if record.damaged]
    failed = [record for record in records if record.status is RecordStatus.FAILED or record in lost]
    for record in (*failed[_FAILED_RECORDS_KEPT:], *(one for one in nowhere if one not in lost)):
        store.delete(record)
