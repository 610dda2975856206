"""Adopts an identity dump that others took: proven as one of our own, then kept, exported and recorded like it."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import JsonValue

from catalyx_dr.adapters.cluster import Cluster
from catalyx_dr.model.capture_id import capture_id
from catalyx_dr.model.identity_dump import SECRET_KEY, IdentityDumpMetadata
from catalyx_dr.model.record import Record, RecordKind
from catalyx_dr.model.validator_spec import ValidatorSpec
from catalyx_dr.operations.dump_identities import (
    FLAGS,
    IN_BUCKET,
    IN_CLUSTER,
    checked_bucket,
    published,
    told_of,
)
from catalyx_dr.operations.progress import reporting
from catalyx_dr.operations.surroundings import Surroundings
from catalyx_dr.rules.adoption import check_identity, check_new, known_fingerprints
from catalyx_dr.rules.identity import (
    METADATA_DETAIL,
    changes,
    check_secret_size,
    describe_dump,
    expected_party,
    read_dump,
)


@dataclass(frozen=True)
class DumpToAdopt:
    """`secret`: the mounted Secret that holds it under `content`; `taken`: when, with a time zone."""

    secret: str
    taken: datetime
    origin: str
    party_id: str | None = None


def adopt_dump(spec: ValidatorSpec, order: DumpToAdopt, surroundings: Surroundings, cluster: Cluster) -> Record:
    """Keep the dump as one of the validator's own.

    Raises UnprovenError for what is no dump, RefusedError for one of another validator or one that is known already;
    then nothing was written.
    """
    content = surroundings.secrets.read_bytes(order.secret, SECRET_KEY)
    dump = read_dump(content)
    records = surroundings.records.list(spec.name)
    check_new(records, RecordKind.IDENTITY_DUMP, hashlib.sha256(content).hexdigest())
    check_identity(spec, dump.id, known_fingerprints(records, spec.name), order.party_id)
    bucket = checked_bucket(spec, surroundings.secrets)
    taken = _free_second(records, order.taken)
    metadata = describe_dump(spec, dump, content, order.party_id or "", taken)
    metadata = metadata.model_copy(
        update={
            "party_id": order.party_id or expected_party(_without_party(metadata)),
            "node_identifier": dump.identifier,
        }
    )
    check_secret_size(content, metadata.model_dump_json().encode())
    flags = changes(metadata, None, spec)
    locations = (IN_CLUSTER,) if bucket is None else (IN_CLUSTER, IN_BUCKET)
    with reporting(
        RecordKind.IDENTITY_DUMP, metadata.dump_id, spec.name, surroundings.records, surroundings.now
    ) as progress:
        progress.phase("publish", 55)
        with published(cluster, bucket, metadata, content) as stored:
            details: dict[str, JsonValue] = {METADATA_DETAIL: stored.model_dump(mode="json"), FLAGS: [*flags]}
            return progress.complete(
                f"adopted from {order.origin}: {told_of(stored, locations, flags)}",
                size=stored.bytes,
                locations=locations,
                details={**details, "adopted": order.origin},
                taken=(taken, taken),
            )


def _free_second(records: list[Record], taken: datetime) -> datetime:
    ids = {record.identifier for record in records if record.kind is RecordKind.IDENTITY_DUMP}
    while capture_id(taken) in ids:
        taken += timedelta(seconds=1)
    return taken


def _without_party(metadata: IdentityDumpMetadata) -> IdentityDumpMetadata:
    return metadata.model_copy(update={"party_id": None})
