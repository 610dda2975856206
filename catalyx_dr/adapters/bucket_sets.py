"""Backup sets in a bucket: segments of two archives and, written last, the manifest that makes them a set."""

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from pydantic import ValidationError

from catalyx_dr.adapters.bucket_store import BucketStore
from catalyx_dr.adapters.dump_files import ARCHIVE_SUFFIX
from catalyx_dr.model.backup_set import MANIFEST_NAME, Manifest
from catalyx_dr.model.capture import Capture
from catalyx_dr.model.capture_id import captured_at, is_capture_id
from catalyx_dr.model.damage import DAMAGE_NAME, Damage
from catalyx_dr.model.databases import DatabaseRole
from catalyx_dr.model.errors import ArchivedError, MissingError, UnprovenError
from catalyx_dr.model.validator_spec import ValidatorSpec
from catalyx_dr.rules.ownership import capture_of, stranger

_ARCHIVED = "its manifest is archived, and can be read when it was brought back"
_CLOCK_DIFFERENCE = timedelta(hours=1)


@dataclass(frozen=True)
class BucketSets:
    """Sets of one validator."""

    store: BucketStore
    spec: ValidatorSpec

    def __str__(self) -> str:
        return f"in {self.store} under {self._folder}"

    def key(self, set_id: str, name: str) -> str:
        """Key of one object of a set."""
        return f"{self._folder}{set_id}/{name}"

    @property
    def _folder(self) -> str:
        return f"{self.spec.object_prefix}sets/"

    def published(self) -> list[Manifest]:
        """Manifests of all own sets whose segments are there in full and not marked as damaged, newest first."""
        listed, found = self.listed(), list[Manifest]()
        for set_id in _with_manifest(listed):
            with suppress(ArchivedError, MissingError, UnprovenError):
                found.append(self.manifest(set_id))
        return [one for one in found if not stranger(self.spec, one) and self._is_sound(one, listed[one.set_id])]

    def set_ids(self) -> list[str]:
        """Ids of all sets that have a manifest, whole or not, newest first."""
        return _with_manifest(self.listed())

    def captures(self) -> list[Capture]:
        """Every set that has a manifest; one that is not whole, or was found damaged, is not proven."""
        listed = self.listed()
        return [self._capture(set_id, listed[set_id]) for set_id in _with_manifest(listed)]

    def _capture(self, set_id: str, names: Mapping[str, int]) -> Capture:
        try:
            manifest = self.manifest(set_id)
        except ArchivedError:
            # As one of a stranger: nobody chooses it, and no retention removes it.
            return replace(Capture.named(set_id, proven=False), stranger=_ARCHIVED)
        except (MissingError, UnprovenError):
            return Capture.named(set_id, proven=False)
        whose = stranger(self.spec, manifest)
        return capture_of(manifest, whose, proven=not whose and self._is_sound(manifest, names))

    def _is_sound(self, manifest: Manifest, names: Mapping[str, int]) -> bool:
        return _is_whole(manifest, names) and not (DAMAGE_NAME in names and self.is_damaged(manifest.set_id))

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
        """Remove a set, its manifest first; False when a lock of which the store did not tell forbids it.

        What is held of the rest, for example by a legal hold, is no set any more: later runs try to `clean` it.
        """
        if not self.store.delete(self.key(set_id, MANIFEST_NAME)):
            return False
        self.store.delete_below(self.key(set_id, ""))
        return True

    def headless(self) -> list[str]:
        """Ids of which there are objects and no manifest, in their order."""
        return sorted(set_id for set_id, names in self.listed().items() if MANIFEST_NAME not in names)

    def clean(self, begun_before: datetime, spared: Collection[str]) -> list[str]:
        """Remove what runs left that began before that moment and wrote no manifest; returns the ids of their sets.

        `spared`: sets whose export goes on, and those that were completed once. What a lock still holds is left for a
        later run.
        """
        left = [one for one in self.headless() if captured_at(one) < begun_before and one not in spared]
        self.store.abort_uploads(self._folder, begun_before)
        return [set_id for set_id in left if self.store.delete_below(self.key(set_id, ""))]

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
        for item in self.store.objects(self._folder):
            set_id, _, name = item.key.removeprefix(self._folder).partition("/")
            if is_capture_id(set_id):
                sets.setdefault(set_id, {})[name] = item.bytes
        return sets


def is_condemned(store: BucketStore, key: str) -> bool:
    """Tell whether the mark at `key` holds faults; one that cannot be read counts, one that is absent does not."""
    try:
        return bool(Damage.model_validate_json(store.get(key)).faults)
    except MissingError:
        return False
    except (ValidationError, ArchivedError):
        return True


def _with_manifest(listed: Mapping[str, Mapping[str, int]]) -> list[str]:
    return sorted((set_id for set_id, names in listed.items() if MANIFEST_NAME in names), reverse=True)


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
