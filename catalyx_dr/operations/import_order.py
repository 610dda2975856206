"""What an identity import is asked to do, and where its dump comes from."""

import re
from dataclasses import dataclass
from pathlib import Path

from catalyx_dr.adapters.bucket_identities import BucketIdentities
from catalyx_dr.adapters.cluster import Cluster
from catalyx_dr.adapters.encryption import AgeIdentities
from catalyx_dr.adapters.identity_secrets import StoredDump, read_dump_secret
from catalyx_dr.model.capture import Capture
from catalyx_dr.model.environment_spec import VerdictOverride
from catalyx_dr.model.errors import RefusedError, UnprovenError
from catalyx_dr.model.identity_dump import IdentityDumpMetadata
from catalyx_dr.model.record import RecordKind
from catalyx_dr.model.validator_spec import ValidatorSpec
from catalyx_dr.operations.dump_identities import IN_BUCKET, IN_CLUSTER, identities_in_bucket, proven_dumps
from catalyx_dr.operations.surroundings import Surroundings
from catalyx_dr.rules.recovery import choose

TO_WORKLOAD, TO_RESOURCE, TO_PRINT = "workload", "custom-resource", "print"
_IDENTIFIER = r"[a-zA-Z0-9_-]{1,185}"
_KIND = "identity dump"


@dataclass(frozen=True)
class ImportOrder:
    """`dump_id`: an id or `latest`; the same `request_id` never runs twice; raises RefusedError for other words.

    `moved_to`: participant that has the party since a failed import moved it; the dump is imported under its id.
    """

    dump_id: str
    request_id: str
    new_identifier: str
    source: str = IN_CLUSTER
    apply: str = TO_WORKLOAD
    age_identity_file: Path | None = None
    overrides: tuple[VerdictOverride, ...] = ()
    moved_to: str | None = None

    def __post_init__(self) -> None:
        for field, value, allowed in (
            ("source", self.source, (IN_CLUSTER, IN_BUCKET)),
            ("apply", self.apply, (TO_WORKLOAD, TO_RESOURCE, TO_PRINT)),
        ):
            if value not in allowed:
                raise RefusedError(f"{field} is {value!r}; allowed: {', '.join(allowed)}")
        if re.fullmatch(_IDENTIFIER, self.new_identifier) is None:
            raise RefusedError(
                f"new identifier {self.new_identifier!r}: allowed are 1 to 185 letters, digits, '-' and '_'"
            )
        if self.source == IN_BUCKET and self.age_identity_file is None:
            raise RefusedError("a dump in the bucket is encrypted; give the private age identity (--age-identity-file)")


@dataclass(frozen=True)
class FoundDump:
    """The chosen dump, and the metadata of every dump that is known."""

    dump: StoredDump
    known: tuple[IdentityDumpMetadata, ...]
    in_bucket: tuple[IdentityDumpMetadata, ...] = ()


def find_dump(
    spec: ValidatorSpec, order: ImportOrder, selector: str, surroundings: Surroundings, cluster: Cluster
) -> FoundDump:
    """Choose and read a dump; raises RefusedError, which lists what there is, when none fits or it cannot be opened."""
    known = proven_dumps(surroundings.records.list(spec.name, RecordKind.IDENTITY_DUMP))
    if order.source == IN_CLUSTER:
        kept = [Capture.named(one.identifier) for one, _ in known if one.is_sound_in(IN_CLUSTER)]
        chosen = choose(kept, selector, kind=_KIND).identifier
        stored, recorded = read_dump_secret(cluster, surroundings.secrets, spec.name, chosen), [one for _, one in known]
        if stored.metadata not in recorded:
            raise UnprovenError(
                f"the metadata of dump {chosen} in its Secret are not its record's; choose another dump"
            )
        return FoundDump(stored, tuple(recorded))
    bucket = identities_in_bucket(spec, surroundings.secrets)
    if bucket is None or order.age_identity_file is None:
        raise RefusedError(f"validator {spec.name!r} declares no backup.bucket to read from; use source cluster")
    listed = bucket.published()
    chosen = choose([Capture.named(one.dump_id) for one in listed], selector, kind=_KIND, place=str(bucket)).identifier
    stored = _open(bucket, chosen, AgeIdentities.read(order.age_identity_file))
    return FoundDump(stored, (*(metadata for _, metadata in known), *listed), tuple(listed))


def _open(bucket: BucketIdentities, dump_id: str, identities: AgeIdentities) -> StoredDump:
    return StoredDump(bucket.content(dump_id, identities), bucket.metadata(dump_id))
