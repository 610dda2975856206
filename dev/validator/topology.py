"""Topology transactions: who owns a namespace, which keys a participant has, which participant hosts a party.

Each is signed by the key of its namespace, so that a dump with the wrong keys moves no party.
"""

import base64
import hashlib
import json
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import IntEnum
from typing import Any, Self

from dev.validator.keys import KeyPair, fingerprint, signature_is_valid


class MappingCode(IntEnum):
    """Canton's numbers for the kinds of mapping that are used here."""

    NAMESPACE_DELEGATION = 1
    OWNER_TO_KEY = 4
    PARTY_TO_PARTICIPANT = 9


@dataclass(frozen=True)
class SignedTransaction:
    """One signed mapping of `subject` to `value`, in the namespace of the signing key."""

    code: int
    subject: str
    value: str
    serial: int
    signed_by: str
    signature: str

    @classmethod
    def sign(cls, namespace_key: KeyPair, code: MappingCode, subject: str, value: str, serial: int = 1) -> Self:
        """Sign a mapping with the namespace key."""
        message = _message(code, subject, value, serial)
        return cls(code, subject, value, serial, namespace_key.public.hex(), namespace_key.sign(message).hex())

    @property
    def namespace(self) -> str:
        """Fingerprint of the key that signed."""
        return fingerprint(bytes.fromhex(self.signed_by))

    @property
    def hash(self) -> bytes:
        """SHA-256 over the content without the signature."""
        return hashlib.sha256(_message(self.code, self.subject, self.value, self.serial)).digest()

    def is_valid(self) -> bool:
        """Whether the signature fits and the subject lies in the signer's namespace."""
        in_namespace = self.subject.rsplit("::", 1)[-1] == self.namespace
        message = _message(self.code, self.subject, self.value, self.serial)
        return in_namespace and signature_is_valid(
            bytes.fromhex(self.signed_by), bytes.fromhex(self.signature), message
        )

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """Read what `to_json` wrote; raises TypeError for other fields."""
        return cls(**value)


def _message(code: int, subject: str, value: str, serial: int) -> bytes:
    return json.dumps([int(code), subject, value, serial]).encode()


def encode_snapshot(transactions: Sequence[SignedTransaction]) -> str:
    """Base64 of an authorized store snapshot; like the real one its bytes differ from dump to dump (domain 1.3)."""
    content = {"snapshot": secrets.token_hex(16), "transactions": [t.to_json() for t in transactions]}
    return base64.b64encode(json.dumps(content).encode()).decode()


def decode_snapshot(snapshot: str) -> list[SignedTransaction]:
    """Read a snapshot; raises ValueError when it cannot be decoded or a signature does not fit."""
    try:
        content = json.loads(base64.b64decode(snapshot, validate=True))
        transactions = [SignedTransaction.from_json(t) for t in content["transactions"]]
    except (ValueError, KeyError, TypeError):
        raise ValueError("authorizedStoreSnapshot: it cannot be decoded") from None
    for transaction in transactions:
        if not transaction.is_valid():
            raise ValueError(f"authorizedStoreSnapshot: the signature of {transaction.subject} is not valid")
    return transactions
