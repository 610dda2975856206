"""Re-reads the backup sets on the volume: every file hashed, every dump decoded, compared with manifest and record."""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from catalyx_dr.adapters import dump_files
from catalyx_dr.adapters.dump_proof import decode
from catalyx_dr.adapters.measured_reading import read_file
from catalyx_dr.adapters.postgres import ServerVersion
from catalyx_dr.adapters.postgres_client import client_for
from catalyx_dr.adapters.rate_limit import Pace
from catalyx_dr.adapters.volume_store import VolumeStore
from catalyx_dr.model.backup_set import DatabaseCapture, Manifest
from catalyx_dr.model.errors import CatalyxDrError, MissingError, RefusedError, UnprovenError
from catalyx_dr.model.flaw import Flaw, Grade
from catalyx_dr.model.record import Record
from catalyx_dr.operations.ownership_check import of_a_stranger, told_by_history
from catalyx_dr.rules.ownership import stranger

PLACE = "volume"


@dataclass(frozen=True)
class VolumeCheck:
    """Sets on one volume. `passwords`: a folder for the client.

    `records`: of completed sets, by id; `running`: ids of runs that go on.
    """

    store: VolumeStore
    records: Mapping[str, Record]
    running: frozenset[str]
    pace: Pace
    passwords: Path
    say: Callable[[str], None]

    def flaws(self, looked_at: set[str]) -> Iterator[Flaw]:
        """Check every set, newest first; ids that were read go into `looked_at`."""
        for set_id in self.store.set_ids():
            self.say(f"set {set_id} on the {PLACE}")
            found = list(self._set(set_id))
            if not os.path.lexists(self.store.folder(set_id)):
                continue  # retention removed it meanwhile
            looked_at.add(set_id)
            yield from found
        here = set(self.store.set_ids())
        for set_id, record in self.records.items():
            if PLACE in record.locations and set_id not in here | looked_at:
                yield Flaw(Grade.LOST, PLACE, set_id, "its record names it, and it is not there")

    def _set(self, set_id: str) -> Iterator[Flaw]:
        try:
            manifest = self.store.manifest(set_id)
        except (MissingError, UnprovenError) as error:
            yield Flaw(Grade.DAMAGED, PLACE, set_id, f"it cannot be decoded: {error}")
            return
        if whose := stranger(self.store.spec, manifest):
            yield of_a_stranger(PLACE, set_id, whose, self.records.get(set_id))
            return
        yield from told_by_history(PLACE, manifest, self.records, self.running)
        faults = [fault for capture in manifest.databases for fault in self._files(set_id, capture)]
        yield from faults
        if not faults:
            yield from self._decoding(manifest)

    def _files(self, set_id: str, capture: DatabaseCapture) -> Iterator[Flaw]:
        folder = self.store.folder(set_id)
        expected = {file.path: file for file in capture.files}
        there = {dump_files.name_below(folder, path) for path in dump_files.files_of(folder, capture.role)}
        for path in sorted(there - expected.keys()):
            yield Flaw(Grade.DAMAGED, PLACE, set_id, f"{path} does not belong to it")
        for path, file in expected.items():
            try:
                difference = read_file(folder / path, self.pace, file.bytes).differs_from(file)
            except FileNotFoundError:
                yield Flaw(Grade.DAMAGED, PLACE, set_id, f"{path} is missing")
            except OSError as error:
                # A disk that cannot give a file back has lost it, as far as a restore is concerned.
                yield Flaw(Grade.DAMAGED, PLACE, set_id, f"{path} cannot be read: {error.strerror}")
            else:
                if difference:
                    yield Flaw(Grade.DAMAGED, PLACE, set_id, f"{path} {difference}")

    def _decoding(self, manifest: Manifest) -> Iterator[Flaw]:
        for capture in manifest.databases:
            try:
                client = client_for(_version(capture.server_version), self.passwords)
            except RefusedError as error:
                yield Flaw(Grade.ODD, PLACE, manifest.set_id, f"{capture.role} was hashed, but not decoded: {error}")
                continue
            try:
                decode(client, self.store.folder(manifest.set_id), capture.role)
            except CatalyxDrError as error:
                yield Flaw(Grade.DAMAGED, PLACE, manifest.set_id, f"{capture.role} cannot be decoded: {error}")


def _version(text: str) -> ServerVersion:
    major, _, minor = text.partition(".")
    return ServerVersion(int(major) * 10_000 + int(minor or 0))
