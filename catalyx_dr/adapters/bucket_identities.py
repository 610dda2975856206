"""Identity dumps in a bucket: an encrypted object and, written last, the metadata that makes it a dump."""

import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from catalyx_dr.adapters.bucket_sets import is_condemned
from catalyx_dr.adapters.bucket_store import BucketStore
from catalyx_dr.adapters.encryption import AgeIdentities, encrypt
from catalyx_dr.model.backup_set import StoredFile
from catalyx_dr.model.capture_id import is_capture_id
from catalyx_dr.model.damage import DAMAGE_NAME, Damage
from catalyx_dr.model.errors import ArchivedError, MissingError, UnprovenError
from catalyx_dr.model.identity_dump import IdentityDumpMetadata
from catalyx_dr.model.sealed import sealed, unsealed
from catalyx_dr.model.validator_spec import ValidatorSpec
from catalyx_dr.rules.ownership import stranger

CONTENT, METADATA, _DAMAGE = ".json.age", ".metadata.json", f".{DAMAGE_NAME}"


@dataclass(frozen=True)
class BucketIdentities:
    """Dumps of one validator."""

    store: BucketStore
    spec: ValidatorSpec

    def __str__(self) -> str:
        return f"in {self.store} under {self._folder}"

    def put_content(self, metadata: IdentityDumpMetadata, content: bytes) -> IdentityDumpMetadata:
        """Store the dump, encrypted to the recipients of its metadata; it is listed only after `publish`.

        Returns the metadata with what was stored, by which the copy can be checked without any key.
        """
        target = io.BytesIO()
        encrypt(io.BytesIO(content), target, metadata.recipients)
        encrypted, key = target.getvalue(), self.content_key(metadata.dump_id)
        self.store.put(key, encrypted)
        digest = hashlib.sha256(encrypted).hexdigest()
        stored = StoredFile(path=key.removeprefix(self._folder), bytes=len(encrypted), sha256=digest)
        return metadata.model_copy(update={"object": stored})

    def publish(self, metadata: IdentityDumpMetadata) -> None:
        """Store the metadata, which lists the dump."""
        self.store.put(self.metadata_key(metadata.dump_id), sealed(metadata.model_dump(mode="json")))

    def published(self) -> list[IdentityDumpMetadata]:
        """Metadata of every own dump that is there whole, newest first; what is damaged or illegible is no dump."""
        whole = [
            dump_id
            for dump_id, endings in sorted(self.listed().items(), reverse=True)
            if {METADATA, CONTENT} <= endings.keys() and not (_DAMAGE in endings and self.is_damaged(dump_id))
        ]
        return [metadata for metadata in self._readable(whole) if not stranger(self.spec, metadata)]

    def listed(self) -> dict[str, dict[str, int]]:
        """What the store lists: dump id -> ending of the key -> bytes."""
        dumps: dict[str, dict[str, int]] = {}
        for item in self.store.objects(self._folder):
            dump_id, dot, rest = item.key.removeprefix(self._folder).partition(".")
            if is_capture_id(dump_id):
                dumps.setdefault(dump_id, {})[dot + rest] = item.bytes
        return dumps

    def content_key(self, dump_id: str) -> str:
        """Key of the encrypted dump."""
        return self._key(dump_id, CONTENT)

    def metadata_key(self, dump_id: str) -> str:
        """Key of its metadata."""
        return self._key(dump_id, METADATA)

    def is_damaged(self, dump_id: str) -> bool:
        """Tell whether a verification marked the dump."""
        return is_condemned(self.store, self._key(dump_id, _DAMAGE))

    def condemn(self, damage: Damage) -> None:
        """Mark a dump."""
        self.store.put(self._key(damage.capture_id, _DAMAGE), damage.model_dump_json(indent=2).encode())

    def acquit(self, sound: Damage) -> None:
        """Write over the mark that the dump is sound."""
        self.condemn(sound)

    def metadata(self, dump_id: str) -> IdentityDumpMetadata:
        """Metadata of one dump; raises MissingError, or UnprovenError when it is damaged."""
        key = self.metadata_key(dump_id)
        try:
            found = IdentityDumpMetadata.model_validate(unsealed(self.store.get(key)))
        except ValueError:
            raise UnprovenError(f"{key} in {self.store} is not what was written as metadata of a dump") from None
        if found.dump_id != dump_id:
            raise UnprovenError(f"{key} in {self.store} is the metadata of dump {found.dump_id}")
        return found

    def content(self, dump_id: str, identities: AgeIdentities) -> bytes:
        """The dump, decrypted in memory; raises RefusedError for a wrong identity, UnprovenError for damage."""
        key = self.content_key(dump_id)
        decrypted = io.BytesIO()
        identities.decrypt(io.BytesIO(self.store.get(key)), decrypted, f"{key} in {self.store}")
        return decrypted.getvalue()

    def locked_until(self, dump_id: str) -> datetime | None:
        """Moment before which the store says that it will not delete the dump, or None."""
        return self.store.locked_until(self.content_key(dump_id))

    def remove(self, dump_id: str) -> bool:
        """Delete the dump, its metadata first; False when a lock of the store still holds it."""
        return all(self.store.delete(self._key(dump_id, ending)) for ending in (METADATA, CONTENT, _DAMAGE))

    def _readable(self, ids: list[str]) -> Iterator[IdentityDumpMetadata]:
        for dump_id in ids:
            try:
                yield self.metadata(dump_id)
            except (ArchivedError, MissingError, UnprovenError):
                continue

    @property
    def _folder(self) -> str:
        return f"{self.spec.object_prefix}identities/"

    def _key(self, dump_id: str, ending: str) -> str:
        return f"{self._folder}{dump_id}{ending}"
