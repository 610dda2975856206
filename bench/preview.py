"""First `up` and no-op preview of 1, 10 and 100 validators, against the same objects declared plainly.

Needs the local cluster. Checkpoints are left out on both sides: with a file backend they are most of a large `up`.
CATALYX_DR_BENCH_VALIDATORS="1 10" chooses other numbers.
"""

import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex
from statistics import median
from typing import Any

import yaml
from lightkube import Client, KubeConfig
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Namespace

from bench.many_validators import configuration
from bench.rows import Row, report
from dev import cluster
from dev.cache_folder import PROJECT_ROOT
from dev.cluster.waiting import wait_until
from dev.engine.environment import engine_environment

# Small stacks in rounds: what the first run of all pays, and what else the machine does, is much of two seconds.
_ROUNDS = {1: 5, 10: 3}
_PREVIEWS = 3
_REMOVAL_SECONDS = 300.0
_FASTEST = 10.0
_MOST_OVERHEAD = 1.2
_PLAIN = "the same objects, plain"


class Project:
    """A stack in a folder of its own."""

    def __init__(self, folder: Path, program: Path, config: dict[str, Any]) -> None:
        self._folder = folder
        (folder / "stacks").mkdir(parents=True)
        (folder / "state").mkdir()
        shutil.copy(PROJECT_ROOT / "Pulumi.yaml", folder)
        shutil.copy(program, folder / "__main__.py")
        self._environment = engine_environment() | {
            "PULUMI_BACKEND_URL": f"file://{folder / 'state'}",
            "PULUMI_EXPERIMENTAL": "true",
            "PULUMI_SKIP_CHECKPOINTS": "true",
            "PYTHONPATH": str(PROJECT_ROOT),
            "KUBECONFIG": str(cluster.kubeconfig_path()),
        }
        stack_file = {f"catalyx-dr:{key}": value for key, value in config.items()}
        (folder / "stacks" / "Pulumi.bench.yaml").write_text(yaml.safe_dump({"config": stack_file}))
        self.run("stack", "init", "bench")

    def run(self, *words: str) -> float:
        """Run `pulumi` and return its seconds; raises RuntimeError with its output."""
        begun = time.monotonic()
        ended = subprocess.run(
            ["pulumi", "--non-interactive", *words],
            cwd=self._folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if ended.returncode:
            raise RuntimeError(f"pulumi {' '.join(words)} failed:\n{ended.stdout[-4000:]}")
        return time.monotonic() - begun

    def objects(self) -> list[dict[str, Any]]:
        """Kubernetes objects of the stack, each with type, name and inputs."""
        resources = json.loads(self._output("stack", "export"))["deployment"]["resources"]
        return [
            {"type": one["type"], "name": one["urn"].rpartition("::")[2], "inputs": one["inputs"]}
            for one in resources
            if one["type"].startswith("kubernetes:")
        ]

    @property
    def state_bytes(self) -> int:
        """Size of the state."""
        return len(self._output("stack", "export"))

    def _output(self, *words: str) -> str:
        return subprocess.run(
            ["pulumi", *words], cwd=self._folder, env=self._environment, capture_output=True, text=True, check=True
        ).stdout


def run() -> None:
    """Measure and report."""
    cluster.up()
    numbers = [int(word) for word in os.environ.get("CATALYX_DR_BENCH_VALIDATORS", "1 10 100").split()]
    report("preview", [row for number in numbers for row in _measure(number)])


def _measure(count: int) -> list[Row]:
    first, again, size = _Pairs(), _Pairs(), 0
    for _ in range(_ROUNDS.get(count, 1)):
        with tempfile.TemporaryDirectory(prefix="catalyx-dr-bench-") as folder, _namespaces() as (name, plain_name):
            stack_file = configuration(count, name)
            ours = Project(Path(folder, "ours"), PROJECT_ROOT / "__main__.py", stack_file)
            plain = Project(Path(folder, "plain"), Path(__file__).with_name("plain_program.py"), stack_file)
            first.ours.append(ours.run("up", "--yes", "--skip-preview"))
            objects = json.dumps(ours.objects()).replace(f'"namespace": "{name}"', f'"namespace": "{plain_name}"')
            Path(folder, "plain", "objects.json").write_text(objects)
            first.plain.append(plain.run("up", "--yes", "--skip-preview"))
            for _ in range(_PREVIEWS):
                again.ours.append(ours.run("preview"))
                again.plain.append(plain.run("preview"))
            size = ours.state_bytes
    return [_row(f"first up, {count} validators", first, size), _row(f"no-op preview, {count} validators", again)]


@dataclass
class _Pairs:
    """Seconds of both, taken in turn, so that the machine's other work falls on both."""

    ours: list[float] = field(default_factory=list)
    plain: list[float] = field(default_factory=list)


@contextmanager
def _namespaces() -> Iterator[list[str]]:
    """Two new ones, and quiet again when they are gone."""
    api, run = Client(KubeConfig.from_file(cluster.kubeconfig_path())), token_hex(4)
    names = [f"bench-{run}", f"bench-{run}-plain"]
    try:
        for name in names:
            api.create(Namespace(metadata=ObjectMeta(name=name)))
        yield names
    finally:
        for name in names:
            api.delete(Namespace, name)
        wait_until(
            lambda: not _present(api, names), f"removal of {' and '.join(names)}", _REMOVAL_SECONDS, "Try again."
        )


def _present(api: Client, names: Collection[str]) -> bool:
    return any(one.metadata is not None and one.metadata.name in names for one in api.list(Namespace))


def _row(name: str, pairs: _Pairs, size: int | None = None) -> Row:
    seconds, plain = median(pairs.ours), median(pairs.plain)
    ratio = seconds / plain
    target, met = f"at most {_MOST_OVERHEAD} of plain", ratio <= _MOST_OVERHEAD
    if name == "no-op preview, 100 validators":
        target, met = f"{target}, under {_FASTEST:.0f} s", met and seconds < _FASTEST
    return Row(name, seconds, size, f"{_PLAIN}: {plain:.2f} s", ratio, target, met)
