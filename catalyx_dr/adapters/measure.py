"""Size and SHA-256 of bytes that pass."""

import hashlib

from catalyx_dr.model.backup_set import StoredFile


class Measure:
    """Counts and hashes what is added."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self.bytes = 0

    def add(self, data: bytes | memoryview) -> None:
        """Take the next bytes."""
        self._hash.update(data)
        self.bytes += len(data)

    def as_stored(self, path: str) -> StoredFile:
        """Description of all that was added."""
        return StoredFile(path=path, bytes=self.bytes, sha256=self._hash.hexdigest())

    def differs_from(self, expected: StoredFile) -> str | None:
        """How it differs from what was written; None when it does not."""
        if self.bytes > expected.bytes:
            return f"has more than the {expected.bytes} bytes that were written"
        if self.bytes != expected.bytes:
            return f"has {self.bytes} bytes, {expected.bytes} were written"
        if self._hash.hexdigest() != expected.sha256:
            return "has changed: its SHA-256 is another one than when it was written"
        return None
