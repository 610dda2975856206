"""What is true of identity dumps: which answers are dumps, what changed since the last one, what an import sets."""

import hashlib
import json
from collections.abc import Iterable
from datetime import datetime

from pydantic import JsonValue, ValidationError

from catalyx_dr.model.capture_id import capture_id
from catalyx_dr.model.errors import RefusedError, UnprovenError
from catalyx_dr.model.identity_dump import IdentityDump, IdentityDumpMetadata, KeyPair
from catalyx_dr.model.record import Record
from catalyx_dr.model.target import CustomResourceTarget, SpliceHelmTarget
from catalyx_dr.model.validator_spec import ValidatorSpec

# Kubernetes adds up all values of a Secret (core/v1 MaxSecretSize).
SECRET_LIMIT_BYTES = 1024 * 1024
_MARK_LENGTH = 16
# Detail of a dump's record that holds its metadata.
METADATA_DETAIL = "metadata"


def read_dump(content: bytes) -> IdentityDump:
    """Read a dump; raises UnprovenError with the path of every fault and never a value."""
    try:
        return IdentityDump.model_validate_json(content)
    except ValidationError as error:
        faults = sorted(
            {f"{'.'.join(map(str, fault['loc'])) or 'document'}: {fault['msg']}" for fault in error.errors()}
        )
        raise UnprovenError(
            f"this is no identity dump ({len(content)} bytes): {'; '.join(faults)}; "
            "a dump has id, keys and authorizedStoreSnapshot (Splice NodeIdentitiesDump)"
        ) from None


def under_id(content: bytes, participant_id: str) -> bytes:
    """The dump with another participant's id: an import moves only the parties of the id that it names (domain 4).

    Keys and topology are those of the namespace, which every participant of the validator shares.
    """
    document = json.loads(content)
    document["id"] = participant_id
    return json.dumps(document).encode()


def describe_dump(
    spec: ValidatorSpec, dump: IdentityDump, content: bytes, party_id: str, taken: datetime
) -> IdentityDumpMetadata:
    """Metadata of a dump of the validator `spec` and its operator `party_id`, received at `taken` as `content`."""
    return IdentityDumpMetadata(
        dump_id=capture_id(taken),
        validator=spec.name,
        namespace=spec.namespace,
        participant_id=dump.id,
        party_hint=spec.party_hint,
        party_id=party_id,
        node_identifier=spec.node_identifier,
        migration_id=spec.migration_id,
        splice_version=dump.version,
        key_kind=dump.key_kind,
        key_count=len(dump.keys),
        key_set_mark=key_set_mark(dump),
        taken=taken,
        bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        recipients=spec.recipients,
    )


def metadata_of(record: Record) -> IdentityDumpMetadata | None:
    """Metadata that the record of a dump holds; None when it holds none that can be read."""
    try:
        return IdentityDumpMetadata.model_validate(record.details.get(METADATA_DETAIL))
    except ValidationError:
        return None


def key_set_mark(dump: IdentityDump) -> str:
    """Short mark that changes with the set of keys: 64 bits of a hash, which tell nothing of a random key."""
    digest = hashlib.sha256()
    for key in sorted(key.key_pair if isinstance(key, KeyPair) else f"{key.type}:{key.key_id}" for key in dump.keys):
        digest.update(key.encode() + b"\n")
    return digest.hexdigest()[:_MARK_LENGTH]


def check_secret_size(content: bytes, metadata: bytes) -> None:
    """Raise RefusedError when content and metadata do not fit in one Kubernetes Secret."""
    size = len(content) + len(metadata)
    if size > SECRET_LIMIT_BYTES:
        raise RefusedError(
            f"the dump and its metadata have {size} bytes, a Secret holds at most {SECRET_LIMIT_BYTES}; nothing was "
            "published. An import reads the dump from a Secret, so it cannot be split: keep database backups, which "
            "hold the keys of a participant without external KMS, and ask Splice support about the size of "
            "authorizedStoreSnapshot"
        )


def changes(
    metadata: IdentityDumpMetadata, previous: IdentityDumpMetadata | None, spec: ValidatorSpec
) -> tuple[str, ...]:
    """What a person should know of a new dump: what changed since `previous`, and what differs from `spec`."""
    found = []
    if previous is not None:
        found = [
            f"{label} changed from {before} to {after}"
            for label, before, after in (
                ("participant id", previous.participant_id, metadata.participant_id),
                ("key kind", previous.key_kind, metadata.key_kind),
                ("number of keys", previous.key_count, metadata.key_count),
            )
            if before != after
        ]
        if metadata.key_count == previous.key_count and previous.key_set_mark not in (None, metadata.key_set_mark):
            found.append("key set changed: another key stands in place of a known one")
    identifier = identifier_of(metadata.participant_id)
    if isinstance(spec.target, SpliceHelmTarget) and identifier != spec.node_identifier:
        found.append(
            f"the participant's identifier is {identifier!r}, nodeIdentifier in the stack is {spec.node_identifier!r}; "
            f"set nodeIdentifier: {identifier} (domain 1.4: both stay the same in all later restarts)"
        )
    if metadata.key_kind == "kms" and not spec.external_kms:
        found.append("the dump holds only references to KMS keys; set externalKms: true, and protect the KMS keys")
    return tuple(found)


def identifier_of(participant_id: str) -> str:
    """Identifier part of `PAR::identifier::fingerprint`."""
    return participant_id.split("::")[1]


def check_party(spec: ValidatorSpec, party_id: str) -> None:
    """Raise UnprovenError when the validator's operator party was not made under the declared hint."""
    hint = party_id.split("::")[0]
    if hint != spec.party_hint:
        raise UnprovenError(
            f"the validator at {spec.api.url} is party {party_id!r}, the stack says partyHint: {spec.party_hint}; "
            "correct partyHint or api.url, since an import with the wrong hint would ask for another party"
        )


def expected_party(metadata: IdentityDumpMetadata) -> str:
    """Party that an import of the dump must bring back: its hint in the namespace of its keys."""
    return metadata.party_id or party_of(metadata.party_hint, metadata.participant_id)


def party_of(hint: str, participant_id: str) -> str:
    """Party of that hint in the namespace of the participant's keys."""
    return f"{hint}::{fingerprint_of(participant_id)}"


def fingerprint_of(participant_id: str) -> str:
    """Namespace fingerprint of `PAR::identifier::fingerprint`."""
    return participant_id.split("::")[2]


def of_the_same_keys(metadata: Iterable[IdentityDumpMetadata], participant_id: str) -> tuple[IdentityDumpMetadata, ...]:
    """Dumps with the namespace of `participant_id`: a dump of other keys is no replacement and removes none."""
    fingerprint = fingerprint_of(participant_id)
    return tuple(one for one in metadata if fingerprint_of(one.participant_id) == fingerprint)


def node_identifier(spec: ValidatorSpec, new_identifier: str) -> str:
    """Node identifier after an import, by the flavour of the target.

    Splice refuses to start unless it equals newParticipantIdentifier (since 0.3.7, domain 1.4); the vendor's guide
    says to keep the node identifier (2.1), and its operator takes the new one only in the import block.
    """
    return new_identifier if isinstance(spec.target, SpliceHelmTarget) else spec.node_identifier


def how_applied(spec: ValidatorSpec, apply: str) -> str:
    """How the values of an import reach the target: the vendor's resource has no workload of its own to be set."""
    return "print" if apply == "workload" and isinstance(spec.target, CustomResourceTarget) else apply


def splice_helm_values(spec: ValidatorSpec, new_identifier: str) -> dict[str, JsonValue]:
    """Values of Splice's validator chart that re-onboard from the dump; keep them in all later upgrades."""
    return {
        "participantIdentitiesDumpImport": {
            "secretName": spec.target.bootstrap_secret,
            "newParticipantIdentifier": new_identifier,
        },
        "migrateValidatorParty": True,
        "nodeIdentifier": new_identifier,
        "validatorPartyHint": spec.party_hint,
    }


def custom_resource_patch(spec: ValidatorSpec, new_identifier: str) -> dict[str, JsonValue]:
    """Import block of the vendor's custom resource, auto-init off (vendor guide 2.1); other fields stay as they are.

    Group and kind are those that the stack gives; without such a target only the block itself is known.
    """
    block: dict[str, JsonValue] = {
        "participantIdentitiesDumpImport": {
            "identitiesSecretName": spec.target.bootstrap_secret,
            "newParticipantIdentifier": new_identifier,
        },
        "migrateValidatorParty": True,
    }
    if not isinstance(spec.target, CustomResourceTarget):
        return {"spec": block}
    block |= spec.target.auto_init_off
    return {
        "apiVersion": spec.target.api_version,
        "kind": spec.target.resource_kind,
        "metadata": {"name": spec.target.name, "namespace": spec.namespace},
        "spec": block,
    }


def target_values(spec: ValidatorSpec, new_identifier: str) -> dict[str, JsonValue]:
    """What has to be set on the validator, in both flavours, and which of them this validator's target takes."""
    return {
        "target": spec.target.kind,
        "nodeIdentifier": node_identifier(spec, new_identifier),
        "spliceHelm": splice_helm_values(spec, new_identifier),
        "customResource": custom_resource_patch(spec, new_identifier),
    }
