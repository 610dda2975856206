"""age encryption of streams, to several recipients, with bounded memory."""

from collections.abc import Sequence
from pathlib import Path
from typing import IO, Protocol

import pyrage

from catalyx_dr.model.errors import RefusedError, UnprovenError

_IDENTITY_PREFIX = "AGE-SECRET-KEY-1"
_UNSEEN = "No matching keys"


class AgeIdentities:
    """Private identities, only ever held in memory."""

    def __init__(self, identities: Sequence[pyrage.x25519.Identity]) -> None:
        self._identities = list(identities)

    @classmethod
    def read(cls, path: Path) -> "AgeIdentities":
        """Read a file as age-keygen writes it; raises RefusedError that never shows a line of it."""
        try:
            lines = [line.strip() for line in path.read_text(errors="replace").splitlines()]
        except OSError as error:
            raise RefusedError(f"age identity file {path} cannot be read: {error.strerror}") from None
        keys = [line for line in lines if line and not line.startswith("#")]
        if not keys or not all(key.startswith(_IDENTITY_PREFIX) for key in keys):
            raise RefusedError(f"{path} holds no age identity; give a file with lines that begin {_IDENTITY_PREFIX}…")
        try:
            return cls([pyrage.x25519.Identity.from_str(key) for key in keys])
        except pyrage.IdentityError:
            raise RefusedError(f"{path} holds a damaged age identity; give the file as age-keygen wrote it") from None

    @property
    def recipients(self) -> tuple[str, ...]:
        """Public halves."""
        return tuple(str(identity.to_public()) for identity in self._identities)

    def check_is_recipient(self, recipients: Sequence[str], name: str) -> None:
        """Raise RefusedError unless what was encrypted to `recipients` can be opened; no byte of it is needed."""
        if not set(self.recipients) & set(recipients):
            raise RefusedError(
                f"{name} is not encrypted to the given age identity, which is of {', '.join(self.recipients)}; give "
                f"the identity of one of its recipients: {', '.join(recipients)}"
            )

    def decrypt(self, source: IO[bytes], target: IO[bytes], name: str) -> None:
        """Decrypt `source` into `target`; RefusedError for a wrong identity, UnprovenError for damage or a cut."""
        try:
            pyrage.decrypt_io(source, target, self._identities)
        except pyrage.DecryptError as error:
            if _UNSEEN in str(error):
                raise _not_a_recipient(name) from None
            raise UnprovenError(f"{name} is damaged: {error}") from None
        except OSError as error:
            raise UnprovenError(f"{name} is damaged or could not be read to its end: {error}") from None

    def check_opens(self, beginning: IO[bytes], name: str) -> None:
        """Raise RefusedError when no identity opens the archive; its first few thousand bytes are enough."""
        try:
            pyrage.decrypt_io(beginning, _Nowhere(), self._identities)
        except pyrage.DecryptError as error:
            if _UNSEEN in str(error):
                raise _not_a_recipient(name) from None
            raise UnprovenError(f"{name} is no age archive or is damaged: {error}") from None
        except OSError:
            return  # The header was opened; the payload ends early because only its beginning was given.


class _Nowhere:
    def write(self, data: bytes) -> int:
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""


def _not_a_recipient(name: str) -> RefusedError:
    return RefusedError(
        f"{name} is not encrypted to the given age identity; give the identity of one of its recipients "
        "(they are listed in the manifest)"
    )


def check_recipients(recipients: Sequence[str]) -> list[pyrage.x25519.Recipient]:
    """Parsed recipients; raises RefusedError that names the wrong one."""
    parsed = []
    for recipient in recipients:
        try:
            parsed.append(pyrage.x25519.Recipient.from_str(recipient))
        except pyrage.RecipientError:
            raise RefusedError(
                f"encryption recipient {recipient} is no age recipient (its checksum is wrong); copy it again"
            ) from None
    if not parsed:
        raise RefusedError("nothing leaves the cluster unencrypted; give encryption.recipients")
    return parsed


class Readable(Protocol):
    """Anything that bytes are read from until there are none."""

    def read(self, size: int = -1, /) -> bytes:
        """Read up to `size` bytes; no bytes at the end alone."""


class Writable(Protocol):
    """Anything that bytes are written to."""

    def write(self, data: bytes, /) -> int:
        """Take all of the bytes."""


def encrypt(source: Readable, target: Writable, recipients: Sequence[str]) -> None:
    """Encrypt `source` into `target` for every recipient; raises whatever these two raise."""
    ends = _Ends(source, target)
    try:
        pyrage.encrypt_io(ends, ends, check_recipients(recipients))
    except pyrage.EncryptError:
        raise ends.error or UnprovenError("encryption ended without a cause") from None


class _Ends:
    """Both ends of an encryption; keeps their error, since the library only keeps its text."""

    def __init__(self, source: Readable, target: Writable) -> None:
        self._source = source
        self._target = target
        self.error: BaseException | None = None

    def read(self, size: int = -1, /) -> bytes:
        try:
            return self._source.read(size)
        except BaseException as error:
            self.error = error
            raise

    def write(self, data: bytes, /) -> int:
        try:
            return self._target.write(data)
        except BaseException as error:
            self.error = error
            raise

    def flush(self) -> None:
        """Nothing is held back."""
