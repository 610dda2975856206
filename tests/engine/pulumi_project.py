"""A throw-away Pulumi project with one stack, driven by the real command line and the parts of dev/engine."""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dev.engine.environment import LAUNCHERS, engine_environment

RUN_SECONDS = 120


class PulumiProject:
    """Runs commands in a folder of its own, with state and home beside it.

    Every process that a command starts carries a mark, by which those left behind are found.
    """

    def __init__(self, folder: Path, program: str, **settings: str) -> None:
        for name in ("program", "state", "home"):
            (folder / name).mkdir()
        (folder / "home" / "logs").touch()  # the command line then keeps no log, which saves a third of the time
        self.folder = folder / "program"
        self._state_folder = folder / "state"
        self._mark = f"CATALYX_DR_TEST={uuid.uuid4()}"
        environment = engine_environment(
            {**os.environ, "PULUMI_HOME": str(folder / "home"), "PULUMI_BACKEND_URL": f"file://{folder}/state"}
        )
        path = os.pathsep.join((str(LAUNCHERS), environment["PATH"]))
        mark_name, mark_value = self._mark.split("=")
        self.environment = environment | {
            "PATH": path,
            "PULUMI_PYTHON_CMD": sys.executable,
            "PULUMI_CONFIG_PASSPHRASE": "for tests",
            mark_name: mark_value,
        }
        (self.folder / "Pulumi.yaml").write_text("name: under-test\nruntime: python\n")
        self.write("__main__.py", program)
        self.succeed("stack", "init", "dev")
        self.configure(**settings)

    def write(self, name: str, content: str) -> None:
        """Write a file of the program."""
        (self.folder / name).write_text(content)

    def configure(self, **settings: str) -> None:
        """Set configuration values; `kubernetes__x` stands for `kubernetes:x`."""
        for name, value in settings.items():
            self.succeed("config", "set", name.replace("__", ":"), value)

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run `pulumi` with these words; its two outputs are one."""
        started = self.start(*command)
        try:
            told, _ = started.communicate(timeout=RUN_SECONDS)
        finally:
            started.kill()
        return subprocess.CompletedProcess(started.args, started.returncode, told)

    def start(self, *command: str) -> subprocess.Popen[str]:
        """Start `pulumi` and return at once."""
        return subprocess.Popen(
            ["pulumi", *command, "--non-interactive"],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def succeed(self, *command: str) -> str:
        """Run `pulumi` and return its output; fail the test when it fails."""
        ended = self.run(*command)
        assert ended.returncode == 0, ended.stdout
        return ended.stdout

    def up(self) -> str:
        """Bring the stack up without a preview."""
        return self.succeed("up", "--yes", "--skip-preview")

    def previewed_steps(self) -> dict[str, dict[str, Any]]:
        """Preview and return every step that changes something, by resource name."""
        ended = subprocess.run(
            ["pulumi", "preview", "--json", "--non-interactive"],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=RUN_SECONDS,
            check=False,
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        steps = json.loads(ended.stdout)["steps"]
        return {step["urn"].rpartition("::")[2]: step for step in steps if step["op"] != "same"}

    def state_files(self) -> list[str]:
        """Return the text of every file of the backend: state, its backups, history."""
        return [path.read_text() for path in self._state_folder.rglob("*.json")]

    def processes(self) -> list[int]:
        """Return the identifiers of all processes that this project's commands started and that still run."""
        mark = self._mark.encode()
        return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal() and _has(entry, mark)]


def changed_properties(step: Mapping[str, Any]) -> dict[str, str]:
    """Return the changed properties of a step and how each changes."""
    return {path: difference["kind"] for path, difference in (step.get("detailedDiff") or {}).items()}


def _has(process: Path, mark: bytes) -> bool:
    try:
        return mark in (process / "environ").read_bytes().split(b"\0")
    except OSError:  # it has ended meanwhile
        return False
