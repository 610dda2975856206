"""A backup in a process of its own, as in its pod: `python -m tests.operations.backup_job SPEC FOLDER SEGMENT_BYTES`.

Its records are files, so that they are there after it was killed.
"""

import sys
from contextlib import suppress
from pathlib import Path

from catalyx_dr.adapters import archives
from catalyx_dr.adapters.secret_files import SecretFiles
from catalyx_dr.cli.ending import ended_by_signal
from catalyx_dr.model.record import Record, RecordKind
from catalyx_dr.model.validator_spec import ValidatorSpec
from catalyx_dr.operations.backup import back_up
from catalyx_dr.operations.surroundings import Surroundings
from tests.fixtures_validator import MemoryRecords


class FileRecords(MemoryRecords):
    """Records of a folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        folder.mkdir(exist_ok=True)
        for path in folder.glob("*.json"):
            with suppress(FileNotFoundError):  # a job forgot it meanwhile
                super().save(Record.model_validate_json(path.read_text()))

    def save(self, record: Record) -> None:
        super().save(record)
        unfinished = self._folder / "unfinished"
        unfinished.write_text(record.model_dump_json())
        unfinished.rename(self._folder / f"{record.object_name}.json")

    def delete(self, record: Record) -> None:
        super().delete(record)
        (self._folder / f"{record.object_name}.json").unlink(missing_ok=True)

    @property
    def newest(self) -> Record:
        """The last run's."""
        return self.list(kind=RecordKind.BACKUP_SET)[0]


def surroundings_of(folder: Path) -> Surroundings:
    """Volume, scratch space, secrets and records below a folder."""
    return Surroundings(
        FileRecords(folder / "records"), SecretFiles(folder / "secrets"), folder / "volume", folder / "scratch"
    )


if __name__ == "__main__":
    archives.SEGMENT_BYTES = int(sys.argv[3])
    with ended_by_signal():
        back_up(ValidatorSpec.model_validate_json(sys.argv[1]), surroundings_of(Path(sys.argv[2])))
