"""Identity dumps as Secrets in the validator's namespace, and the Secret from which a validator imports one."""

from base64 import b64decode
from dataclasses import dataclass

from lightkube.resources.core_v1 import Secret
from pydantic import ValidationError

from catalyx_dr.adapters.cluster import RECORD_LABEL, Cluster, explained, labels
from catalyx_dr.adapters.secret_files import SecretFiles
from catalyx_dr.model.errors import RefusedError, UnprovenError
from catalyx_dr.model.identity_dump import METADATA_KEY, SECRET_KEY, IdentityDumpMetadata
from catalyx_dr.model.record import RecordKind


@dataclass(frozen=True)
class StoredDump:
    """A dump as it was kept, with what is known of it."""

    content: bytes
    metadata: IdentityDumpMetadata


def secret_name(validator: str, dump_id: str) -> str:
    """Name of the Secret that holds a dump."""
    return f"{validator}-identities-{dump_id}"


def create_dump(cluster: Cluster, content: bytes, metadata: IdentityDumpMetadata) -> None:
    """Keep a dump in an immutable Secret; needs the right to create Secrets, not to read them."""
    data = {SECRET_KEY: content, METADATA_KEY: metadata.model_dump_json().encode()}
    name = secret_name(metadata.validator, metadata.dump_id)
    object_labels = labels(metadata.validator, **{RECORD_LABEL: RecordKind.IDENTITY_DUMP})
    cluster.create_secret(name, data, object_labels, immutable=True)


def delete_dump(cluster: Cluster, validator: str, dump_id: str) -> None:
    """Delete the Secret of a dump; one that is gone already is no error."""
    cluster.delete_secret(secret_name(validator, dump_id))


def has_dump(cluster: Cluster, validator: str, dump_id: str) -> bool:
    """Tell whether the Secret of a dump is there, with the right to create Secrets and without reading any."""
    return cluster.has_secret(secret_name(validator, dump_id))


def read_dump_secret(cluster: Cluster, mounted: SecretFiles, validator: str, dump_id: str) -> StoredDump:
    """Read a dump from the mounted Secret, else through the API.

    Raises MissingError when there is no such Secret, RefusedError when it lacks `content` or `metadata.json`.
    """
    name = secret_name(validator, dump_id)
    data = {key: mounted.read_bytes(name, key) for key in mounted.keys(name)}
    if not data:
        # A recovery's service account reads no Secrets: its job has them mounted, when the dump is named by its id.
        with explained(f"read Secret {cluster.namespace}/{name}, which is not mounted here (name the dump by its id)"):
            found = cluster.client.get(Secret, name, namespace=cluster.namespace)
        data = {key: b64decode(value) for key, value in (found.data or {}).items()}
    lacking = [key for key in (SECRET_KEY, METADATA_KEY) if not data.get(key)]
    if lacking:
        raise RefusedError(
            f"Secret {cluster.namespace}/{name} has no key {' and no key '.join(lacking)}; choose another dump, "
            "or create the Secret again from the dump's file under the key content"
        )
    try:
        metadata = IdentityDumpMetadata.model_validate_json(data[METADATA_KEY])
    except ValidationError as error:
        raise UnprovenError(
            f"Secret {cluster.namespace}/{name}: {METADATA_KEY} is damaged ({error.error_count()} faults); "
            "choose another dump"
        ) from None
    return StoredDump(data[SECRET_KEY], metadata)


def replace_bootstrap_secret(cluster: Cluster, name: str, validator: str, content: bytes) -> None:
    """Give the validator the dump under the key that Splice's chart mounts; it stays as long as the values name it."""
    cluster.delete_secret(name)
    cluster.create_secret(name, {SECRET_KEY: content}, labels(validator), immutable=True)
