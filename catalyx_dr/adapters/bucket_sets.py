"""Backup sets in a bucket: segments of two archives and, written last, the manifest that makes them a set."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import ValidationError

from catalyx_dr.adapters.bucket_store import BucketStore
from catalyx_dr.adapters.dump_files import ARCHIVE_SUFFIX
from catalyx_dr.model.backup_set import MANIFEST_NAME, Manifest
from catalyx_dr.model.capture import Capture
from catalyx_dr.model.capture_id import captured_at, is_capture_id
from catalyx_dr.model.damage import DAMAGE_NAME, Damage
from catalyx_dr.model.databases import DatabaseRole
from catalyx_dr.model.errors import MissingError, UnprovenError

_CLOCK_DIFFERENCE = timedelta(hours=1)


@dataclass(frozen=True)
class BucketSets:
    """Sets of one validator; `prefix` ends in a slash and holds its name."""

    store: BucketStore
    prefix: str

    def __str__(self) -> str:
        return f"in {self.store} under {self.prefix}sets/"

    def key(self, set_id: str, name: str) -> str:
        """Key of one object of a set."""
        return f"{self.prefix}sets/{set_id}/{name}"

    def published(self) -> list[Manifest]:
        """Manifests of all sets whose segments are there in full and not marked as damaged, newest first."""
        manifests = []
        for set_id, names in sorted(self.listed().items(), reverse=True):
            if MANIFEST_NAME not in names:
                continue
            try:
                found = self.manifest(set_id)
            except UnprovenError:
                continue
            if _is_whole(found, names) and not (DAMAGE_NAME in names and self.is_damaged(set_id)):
                manifests.append(found)
        return manifests

    def set_ids(self) -> list[str]:
        """Ids of all sets that have a manifest, whole or not, newest first."""
        return sorted((set_id for set_id, names in self.listed().items() if MANIFEST_NAME in names), reverse=True)

    def captures(self) -> list[Capture]:
        """Every set that has a manifest; one that is not whole, or was found damaged, is not proven."""
        sizes = {manifest.set_id: manifest.bytes for manifest in self.published()}
        return [Capture.named(name, proven=name in sizes, size=sizes.get(name, 0)) for name in self.set_ids()]

    def is_damaged(self, set_id: str) -> bool:
        """Tell whether a verification marked the set; a mark that cannot be read counts."""
        return is_condemned(self.store, self.key(set_id, DAMAGE_NAME))

    def condemn(self, damage: Damage) -> None:
        """Mark a set."""
        self.store.put(self.key(damage.capture_id, DAMAGE_NAME), damage.model_dump_json(indent=2).encode())

    def acquit(self, sound: Damage) -> None:
        """Write over the mark that the set is sound: a lock may forbid to delete it."""
        self.condemn(sound)

    def manifest(self, set_id: str) -> Manifest:
        """Manifest of a set; raises MissingError, or UnprovenError when it is damaged."""
        try:
            found = Manifest.read(self.store.get(self.key(set_id, MANIFEST_NAME)))
        except MissingError:
            there = ", ".join(sorted(self.listed(), reverse=True)[:10]) or "none"
            raise MissingError(f"there is no backup set {set_id} in {self.store}; found: {there}") from None
        except ValueError:
            raise UnprovenError(f"manifest of backup set {set_id} in {self.store} is damaged") from None
        if found.set_id != set_id:
            raise UnprovenError(f"manifest of backup set {set_id} in {self.store} is that of {found.set_id}")
        return found

    def publish(self, manifest: Manifest) -> None:
        """Write the manifest: from here on the set exists."""
        self.store.put(self.key(manifest.set_id, MANIFEST_NAME), manifest.written)

    def locked_until(self, set_id: str) -> datetime | None:
        """Moment before which the store will not delete all of a set, or None: what was written last is free last."""
        locks = [self.store.locked_until(self.key(set_id, name)) for name in (MANIFEST_NAME, DAMAGE_NAME)]
        return max((lock for lock in locks if lock is not None), default=None)

    def remove(self, set_id: str) -> bool:
        """Remove a set, its manifest first; False when a lock of which the store did not tell forbids it."""
        return self.store.delete(self.key(set_id, MANIFEST_NAME)) and self.store.delete_below(self.key(set_id, ""))

    def clean(self, begun_before: datetime, resumed: Collection[str]) -> list[str]:
        """Remove what runs left that began before that moment and wrote no manifest; returns the ids of their sets.

        `resumed`: sets whose export goes on, so that what is complete of them stays. What a lock still holds is left
        for a later run.
        """
        left = [
            set_id
            for set_id, names in self.listed().items()
            if MANIFEST_NAME not in names and captured_at(set_id) < begun_before and set_id not in resumed
        ]
        for set_id in left:
            self.remove(set_id)
        self.store.abort_uploads(f"{self.prefix}sets/", begun_before)
        return sorted(left)

    def abandon(self, set_id: str, now: datetime) -> None:
        """Remove what an unfinished export left."""
        self.suspend(set_id, now)
        self.remove(set_id)

    def suspend(self, set_id: str, now: datetime) -> None:
        """Keep the segments of an unfinished export that goes on later; a manifest whose writing failed goes too."""
        self.store.abort_uploads(self.key(set_id, ""), now + _CLOCK_DIFFERENCE)
        self.store.delete(self.key(set_id, MANIFEST_NAME))

    def listed(self) -> dict[str, dict[str, int]]:
        """What the store lists: set id -> name -> bytes."""
        sets: dict[str, dict[str, int]] = {}
        prefix = f"{self.prefix}sets/"
        for item in self.store.objects(prefix):
            set_id, _, name = item.key.removeprefix(prefix).partition("/")
            if is_capture_id(set_id):
                sets.setdefault(set_id, {})[name] = item.bytes
        return sets


def is_condemned(store: BucketStore, key: str) -> bool:
    """Tell whether the mark at `key` holds faults; one that cannot be read counts, one that is absent does not."""
    try:
        return bool(Damage.model_validate_json(store.get(key)).faults)
    except MissingError:
        return False
    except ValidationError:
        return True


def _is_whole(manifest: Manifest, listed: Mapping[str, int]) -> bool:
    return all(
        capture.segments and all(listed.get(segment.path) == segment.bytes for segment in capture.segments)
        for capture in manifest.databases
    )


def archive_name(role: DatabaseRole) -> str:
    """Name of the archive of a dump that is a folder."""
    return f"{role}.tar"


def streamed_name(role: DatabaseRole) -> str:
    """Name of a dump that is one archive itself, in pg_dump's custom format."""
    return f"{role}{ARCHIVE_SUFFIX}"
