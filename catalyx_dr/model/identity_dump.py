"""Identity dumps: the validated answer of the participant-identities endpoint (domain 1.3)."""

import base64
import binascii
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from catalyx_dr.model.backup_set import StoredFile
from catalyx_dr.model.capture_id import CaptureId
from catalyx_dr.model.spec import CapturedPartyHint, KubernetesName, ParticipantId, Spec

SECRET_KEY = "content"  # noqa: S105 - the key under which Splice's chart reads the dump
METADATA_KEY = "metadata.json"


def _check_base64(text: str) -> str:
    try:
        if not base64.b64decode(text, validate=True):
            raise ValueError("must not be empty")
    except binascii.Error:
        raise ValueError("must be base64") from None
    return text


Base64 = Annotated[str, AfterValidator(_check_base64)]


class _Received(BaseModel):
    """What Splice sends: unknown fields are kept out of the way, missing ones refused; values never shown."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class KeyPair(_Received):
    """A private key held by the participant itself."""

    key_pair: Base64 = Field(alias="keyPair", repr=False)
    name: str | None = None


class KmsKey(_Received):
    """A key held by an external KMS; the import fails when it has no name (domain 1.3)."""

    type: Literal["signing", "encryption"]
    key_id: str = Field(alias="keyId", min_length=1)
    name: str = Field(min_length=1)


class KeyKind(StrEnum):
    """Where the keys of a dump are."""

    HELD = "held"
    KMS = "kms"


class IdentityDump(_Received):
    """NodeIdentitiesDump of the OpenAPI contract."""

    id: str = Field(pattern=r"^PAR::[^:]+::1220[0-9a-f]{64}$")
    keys: tuple[KeyPair | KmsKey, ...] = Field(min_length=1)
    authorized_store_snapshot: Base64 = Field(alias="authorizedStoreSnapshot", repr=False)
    version: str | None = None

    @property
    def identifier(self) -> str:
        """Identifier part of the participant id; an import must choose another."""
        return self.id.split("::")[1]

    @property
    def fingerprint(self) -> str:
        """Namespace fingerprint; it stays the same through an import (domain 9)."""
        return self.id.split("::")[2]

    @property
    def key_kind(self) -> KeyKind:
        """KMS when any key is only a reference."""
        return KeyKind.KMS if any(isinstance(key, KmsKey) for key in self.keys) else KeyKind.HELD


class IdentityDumpMetadata(Spec):
    """What is known of a dump without opening it; holds no key material."""

    schema_version: Literal[1] = 1
    dump_id: CaptureId
    validator: KubernetesName
    namespace: KubernetesName
    participant_id: ParticipantId
    party_hint: CapturedPartyHint
    party_id: str | None = Field(default=None, description="Party of the validator's operator when it was taken")
    node_identifier: str
    migration_id: int
    splice_version: str | None
    key_kind: KeyKind
    key_count: int
    key_set_mark: str | None = Field(default=None, description="Changes with the set of keys; tells nothing of a key")
    taken: AwareDatetime
    bytes: int
    sha256: str
    recipients: tuple[str, ...] = ()
    object: StoredFile | None = Field(default=None, description="The encrypted copy in the bucket")
