"""The local stack as a test changes it, and what its commands print."""

import base64
import subprocess
import sys
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from lightkube import Client
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Secret

from dev import platform
from dev.local_stack import LocalStack
from tests.running_update import RunningUpdate, running_update

_AGE_IDENTITY = "age-identity"


@dataclass(frozen=True)
class Ended:
    """How a command ended, and all that it printed."""

    code: int
    told: str


class DeclaredStack:
    """The local stack as the tests change it: blocks of the one validator, and requests."""

    def __init__(self, stack: LocalStack, api: Client) -> None:
        self._stack = stack
        self.api = api
        self.validator: dict[str, Any] = stack.validator()

    def declare(self, **blocks: Any) -> None:
        """Write requests such as `restore={...}`; None removes one."""
        self._stack.declare(**blocks)

    def declare_validator(self, **blocks: Any) -> None:
        """Declare the validator as in the committed stack file, but for these blocks."""
        self._stack.declare_for_validator(**(self.validator | blocks))

    def declare_backup(self, **fields: Any) -> None:
        """Change fields of the validator's backup; everything else is as in the committed stack file."""
        self._stack.declare_for_validator(backup=self.validator["backup"] | fields)

    def declare_dump(self, **fields: Any) -> None:
        """Change fields of the validator's identity dump."""
        self._stack.declare_for_validator(identityDump=self.validator["identityDump"] | fields)

    def age_identity_in_cluster(self) -> dict[str, str]:
        """Put the private age identity where a recovery from the bucket reads it; returns the reference to it."""
        text = base64.b64encode(self._stack.identity_file.read_bytes()).decode()
        metadata = ObjectMeta(name=_AGE_IDENTITY, namespace=platform.NAMESPACE)
        secret = Secret(apiVersion="v1", kind="Secret", metadata=metadata, data={"identity": text})
        self.api.apply(secret, force=True)
        return {"name": _AGE_IDENTITY, "key": "identity"}

    def pulumi(self, *arguments: str) -> Ended:
        """Run the engine."""
        return self._run("pulumi", "--non-interactive", "--color=never", *arguments)

    def up(self) -> Ended:
        """Run `pulumi up`."""
        return self.pulumi("up", "--yes", "--skip-preview")

    def running_up(self) -> AbstractContextManager[RunningUpdate]:
        """Run `pulumi up` in the background."""
        return running_update(self._stack.folder, self._stack.environment)

    def catalyx_dr(self, *arguments: str) -> Ended:
        """Run the project's command."""
        return self._run(sys.executable, "-m", "catalyx_dr", *arguments, "--namespace", platform.NAMESPACE)

    def _run(self, *command: str) -> Ended:
        ended = subprocess.run(
            command,
            cwd=self._stack.folder,
            env=self._stack.environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        print(f"$ {' '.join(command)}\n{ended.stdout}")
        return Ended(ended.returncode, ended.stdout)
