"""Identity dumps in a bucket: an encrypted object and, written last, the metadata that makes it a dump."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from pydantic import ValidationError

from catalyx_dr.adapters.bucket_store import BucketStore
from catalyx_dr.adapters.encryption import AgeIdentities, encrypt
from catalyx_dr.model.capture_id import is_capture_id
from catalyx_dr.model.errors import MissingError, UnprovenError
from catalyx_dr.model.identity_dump import IdentityDumpMetadata

_CONTENT, _METADATA = ".json.age", ".metadata.json"


@dataclass(frozen=True)
class BucketIdentities:
    """Dumps of one validator; `prefix` ends in a slash and holds its name."""

    store: BucketStore
    prefix: str

    def put_content(self, metadata: IdentityDumpMetadata, content: bytes) -> None:
        """Store the dump, encrypted to the recipients of its metadata; it is listed only after `publish`."""
        encrypted = io.BytesIO()
        encrypt(io.BytesIO(content), encrypted, metadata.recipients)
        self.store.put(self._key(metadata.dump_id, _CONTENT), encrypted.getvalue())

    def publish(self, metadata: IdentityDumpMetadata) -> None:
        """Store the metadata, which lists the dump."""
        self.store.put(self._key(metadata.dump_id, _METADATA), metadata.model_dump_json().encode())

    def published(self) -> list[IdentityDumpMetadata]:
        """Metadata of every dump that is there whole, newest first; what cannot be read is no dump."""
        keys = {item.key for item in self.store.objects(f"{self.prefix}identities/")}
        ids = sorted({key.removesuffix(_METADATA).rsplit("/", 1)[-1] for key in keys if key.endswith(_METADATA)})
        whole = [one for one in reversed(ids) if is_capture_id(one) and self._key(one, _CONTENT) in keys]
        return list(self._readable(whole))

    def metadata(self, dump_id: str) -> IdentityDumpMetadata:
        """Metadata of one dump; raises MissingError, or UnprovenError when it is damaged."""
        key = self._key(dump_id, _METADATA)
        try:
            return IdentityDumpMetadata.model_validate_json(self.store.get(key))
        except ValidationError as error:
            raise UnprovenError(
                f"{key} in {self.store} is no metadata of a dump ({error.error_count()} faults)"
            ) from None

    def content(self, dump_id: str, identities: AgeIdentities) -> bytes:
        """The dump, decrypted in memory; raises RefusedError for a wrong identity, UnprovenError for damage."""
        key = self._key(dump_id, _CONTENT)
        decrypted = io.BytesIO()
        identities.decrypt(io.BytesIO(self.store.get(key)), decrypted, f"{key} in {self.store}")
        return decrypted.getvalue()

    def locked_until(self, dump_id: str) -> datetime | None:
        """Moment before which the store says that it will not delete the dump, or None."""
        return self.store.locked_until(self._key(dump_id, _CONTENT))

    def remove(self, dump_id: str) -> bool:
        """Delete the dump, its metadata first; False when a lock of the store still holds it."""
        return all(self.store.delete(self._key(dump_id, ending)) for ending in (_METADATA, _CONTENT))

    def _readable(self, ids: list[str]) -> Iterator[IdentityDumpMetadata]:
        for dump_id in ids:
            try:
                yield self.metadata(dump_id)
            except (MissingError, UnprovenError):
                continue

    def _key(self, dump_id: str, ending: str) -> str:
        return f"{self.prefix}identities/{dump_id}{ending}"
