"""Key pairs of a participant and their fingerprints."""

import base64
import hashlib
import json
from dataclasses import dataclass
from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

KEY_NAMES = ("namespace", "signing", "encryption")


def fingerprint(public: bytes) -> str:
    """Fingerprint as Canton writes it: multihash code of SHA-256, its length 32, and the digest, in hex."""
    return "1220" + hashlib.sha256(public).hexdigest()


@dataclass(frozen=True)
class KeyPair:
    """A named key pair; both halves are raw 32 bytes."""

    name: str
    public: bytes
    private: bytes

    @classmethod
    def generate(cls, name: str) -> Self:
        """Make a new pair: X25519 for `encryption`, Ed25519 for every other name."""
        key = X25519PrivateKey.generate() if name == "encryption" else Ed25519PrivateKey.generate()
        return cls(name, key.public_key().public_bytes_raw(), key.private_bytes_raw())

    @property
    def fingerprint(self) -> str:
        """Fingerprint of the public half."""
        return fingerprint(self.public)

    @property
    def purpose(self) -> int:
        """Canton's number of the key's purpose: 0 signs, 1 encrypts."""
        return 1 if self.name == "encryption" else 0

    def sign(self, message: bytes) -> bytes:
        """Ed25519 signature of the message."""
        return Ed25519PrivateKey.from_private_bytes(self.private).sign(message)

    def to_dump(self) -> dict[str, str]:
        """The entry of an identity dump: `keyPair` in base64, and the name."""
        pair = json.dumps({"public": self.public.hex(), "private": self.private.hex(), "name": self.name})
        return {"keyPair": base64.b64encode(pair.encode()).decode(), "name": self.name}

    @classmethod
    def from_dump(cls, entry: dict[str, str]) -> Self:
        """Read an entry of an identity dump.

        Raises ValueError for a key that lives in a key management service, or bytes that are no key pair.
        """
        if "keyPair" not in entry:
            raise ValueError("keys: only entries with a keyPair can be imported, not keys of a KMS")
        try:
            pair = json.loads(base64.b64decode(entry["keyPair"], validate=True))
            return cls(str(pair["name"]), bytes.fromhex(pair["public"]), bytes.fromhex(pair["private"]))
        except (ValueError, KeyError, TypeError):
            raise ValueError(f"keys: the key pair named {entry.get('name')!r} cannot be decoded") from None


def signature_is_valid(public: bytes, signature: bytes, message: bytes) -> bool:
    """Whether the Ed25519 signature of the message was made by the owner of the public key."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except InvalidSignature:
        return False
    return True
