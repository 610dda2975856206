"""What an operation works with, given once by the command line and replaced as a whole in tests."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from catalyx_dr.adapters.records import RecordStore
from catalyx_dr.adapters.run_lease import NoLeases, RunLeases
from catalyx_dr.adapters.secret_files import SecretFiles


def utc_now() -> datetime:
    """Now, in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Surroundings:
    """Secrets, records, folders and clock of one run; `leases`: where no volume can be locked."""

    records: RecordStore
    secrets: SecretFiles = field(default_factory=SecretFiles)
    volume: Path = Path("/backups")
    scratch: Path = Path("/scratch")
    now: Callable[[], datetime] = utc_now
    leases: RunLeases = field(default_factory=NoLeases)
