"""The stack `local` in a working copy of its own, so that a checkout is never changed by running it.

For a shell: eval "$(make -s env)"
"""

import os
import shlex
import shutil
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import yaml
from pyrage import x25519

from dev.cache_folder import PROJECT_ROOT, cache_folder
from dev.cluster import kubeconfig_path
from dev.engine.environment import engine_environment

VALIDATOR = "acme"
COMMANDS = Path(__file__).resolve().with_name("bin")


class LocalStack:
    """Stack file, state and age identity in `folder`; commands run the engine as a person would."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file = folder / "stacks" / "Pulumi.local.yaml"
        self.environment = engine_environment() | {
            "PULUMI_BACKEND_URL": f"file://{folder / 'state'}",
            "PYTHONPATH": str(PROJECT_ROOT),
            "KUBECONFIG": str(kubeconfig_path()),
        }

    def create(self) -> None:
        """Start afresh: the committed stack file with this machine's own age recipient."""
        shutil.rmtree(self.folder, ignore_errors=True)
        for name in ("state", "stacks"):
            (self.folder / name).mkdir(parents=True)
        shutil.copy(PROJECT_ROOT / "Pulumi.yaml", self.folder)
        shutil.copy(PROJECT_ROOT / "stacks" / "Pulumi.local.yaml", self._file)
        (self.folder / "__main__.py").symlink_to(PROJECT_ROOT / "__main__.py")
        identity = x25519.Identity.generate()
        self.identity_file.touch(mode=0o600)
        self.identity_file.write_text(str(identity))
        self.declare_for_validator(encryption={"recipients": [str(identity.to_public())]})
        self._pulumi("stack", "init", "local")

    @property
    def identity_file(self) -> Path:
        """Private age identity; it stays outside the cluster until a restore needs it."""
        return self.folder / "age-identity.txt"

    def declare(self, **blocks: Any) -> None:
        """Write blocks of the stack file (`restore={...}`); None removes one."""
        document = yaml.safe_load(self._file.read_text())
        for name, value in blocks.items():
            if value is None:
                document["config"].pop(f"catalyx-dr:{name}", None)
            else:
                document["config"][f"catalyx-dr:{name}"] = value
        self._file.write_text(yaml.safe_dump(document, sort_keys=False))

    def declare_for_validator(self, **blocks: Any) -> None:
        """Write blocks of the one validator."""
        self.declare(validators=[self.validator() | blocks])

    def validator(self) -> dict[str, Any]:
        """The one validator as the stack file declares it now."""
        validators = yaml.safe_load(self._file.read_text())["config"]["catalyx-dr:validators"]
        return dict(validators[0])

    def show(self, *command: str) -> None:
        """Run `pulumi ...` or `catalyx-dr ...` with its output on the terminal; raises CalledProcessError."""
        program, *arguments = command
        print(f"\n$ {' '.join(command)}", flush=True)
        words = ["pulumi", "--non-interactive", "--color=never", *arguments]
        if program == "catalyx-dr":
            words = [sys.executable, "-m", "catalyx_dr", *arguments]
        subprocess.run(words, cwd=self.folder, env=self.environment, check=True)

    def _pulumi(self, *arguments: str) -> None:
        """Run the engine quietly; raises CalledProcessError after showing what it said."""
        ended = subprocess.run(
            ["pulumi", "--non-interactive", *arguments],
            cwd=self.folder,
            env=self.environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        if ended.returncode:
            print(ended.stdout, file=sys.stderr, flush=True)
            ended.check_returncode()


def main() -> None:
    """Print commands that give a shell the working copy, made when it is not there, and every program it needs."""
    with redirect_stdout(sys.stderr):
        stack = LocalStack(cache_folder("demo"))
        if not stack.identity_file.exists():
            stack.create()
    wanted = stack.environment | {"PATH": os.pathsep.join((str(COMMANDS), stack.environment["PATH"]))}
    for name, value in wanted.items():
        if os.environ.get(name) != value:
            print(f"export {name}={shlex.quote(value)}")
    print(f"cd {shlex.quote(str(stack.folder))}")


if __name__ == "__main__":
    main()
