"""A backup in a process of its own, as in its pod: `python -m tests.operations.backup_job SPEC FOLDER SEGMENT_BYTES`.

Its records are files, so that they are there after it was killed.
"""

import sys
from pathlib import Path

from catalyx_dr.adapters import archives
from catalyx_dr.adapters.secret_files import SecretFiles
from catalyx_dr.cli.ending import ended_by_signal
from catalyx_dr.model.validator_spec import ValidatorSpec
from catalyx_dr.operations.backup import back_up
from catalyx_dr.operations.surroundings import Surroundings
from tests.operations.records_in_files import FileRecords


def surroundings_of(folder: Path) -> Surroundings:
    """Volume, scratch space, secrets and records below a folder."""
    return Surroundings(
        FileRecords(folder / "records"), SecretFiles(folder / "secrets"), folder / "volume", folder / "scratch"
    )


if __name__ == "__main__":
    archives.SEGMENT_BYTES = int(sys.argv[3])
    with ended_by_signal():
        back_up(ValidatorSpec.model_validate_json(sys.argv[1]), surroundings_of(Path(sys.argv[2])))
