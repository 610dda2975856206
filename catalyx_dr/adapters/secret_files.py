"""Kubernetes Secrets as a job sees them: mounted files, never environment or arguments."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from catalyx_dr.model.errors import RefusedError

MOUNT_PATH = Path("/etc/catalyx-dr/secrets")


class SecretReader(Protocol):
    """Reads one key of a Secret."""

    def read(self, secret: str, key: str) -> str:
        """Value without a final newline."""

    def path(self, secret: str, key: str) -> Path:
        """File that holds the value, where there is one."""


@dataclass(frozen=True)
class SecretFiles:
    """Secrets mounted below `root` as `<secret>/<key>`."""

    root: Path = MOUNT_PATH

    def read(self, secret: str, key: str) -> str:
        """Value of one key without a final newline; raises RefusedError that names Secret and key, never a value."""
        return self.read_bytes(secret, key).decode().rstrip("\n")

    def read_bytes(self, secret: str, key: str) -> bytes:
        """Value of one key as it is; raises RefusedError when the Secret is not mounted or lacks the key."""
        try:
            return self.path(secret, key).read_bytes()
        except FileNotFoundError:
            raise RefusedError(
                f"Secret {secret!r} has no key {key!r} here; create it in the validator's namespace with that key"
            ) from None

    def keys(self, secret: str) -> list[str]:
        """Keys of the Secret that are mounted; none when it is not mounted, or not there."""
        # Beside the keys the kubelet keeps hidden folders that they lead to.
        return sorted(path.name for path in (self.root / secret).glob("*") if not path.name.startswith("."))

    def path(self, secret: str, key: str) -> Path:
        """Where the key would be mounted."""
        return self.root / secret / key
