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
from pathlib import Path
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
from dev.engine.environment import engine_environment

_PREVIEWS = 3
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
    api = Client(KubeConfig.from_file(cluster.kubeconfig_path()))
    with tempfile.TemporaryDirectory(prefix="catalyx-dr-bench-") as folder:
        namespaces = [f"bench-{count}", f"bench-{count}-plain"]
        stack_file, plain_folder = configuration(count, namespaces[0]), Path(folder, "plain")
        ours = Project(Path(folder, "ours"), PROJECT_ROOT / "__main__.py", stack_file)
        plain = Project(plain_folder, Path(__file__).with_name("plain_program.py"), stack_file)
        try:
            for name in namespaces:
                api.create(Namespace(metadata=ObjectMeta(name=name)))
            first = ours.run("up", "--yes", "--skip-preview")
            objects = json.dumps(ours.objects()).replace(
                f'"namespace": "{namespaces[0]}"', f'"namespace": "{namespaces[1]}"'
            )
            (plain_folder / "objects.json").write_text(objects)
            first_plain = plain.run("up", "--yes", "--skip-preview")
            again, again_plain = _in_turn(ours, plain)
            return [
                _row(f"first up, {count} validators", first, first_plain, ours.state_bytes),
                _row(f"no-op preview, {count} validators", again, again_plain),
            ]
        finally:
            for name in namespaces:
                api.delete(Namespace, name)


def _in_turn(ours: Project, plain: Project) -> tuple[float, float]:
    """Seconds of a no-op preview of both, taken in turn, so that the machine's other work falls on both."""
    pairs = [(ours.run("preview"), plain.run("preview")) for _ in range(_PREVIEWS)]
    return median(one for one, _ in pairs), median(one for _, one in pairs)


def _row(name: str, seconds: float, plain: float, size: int | None = None) -> Row:
    ratio = seconds / plain
    target, met = f"at most {_MOST_OVERHEAD} of plain", ratio <= _MOST_OVERHEAD
    if name == "no-op preview, 100 validators":
        target, met = f"{target}, under {_FASTEST:.0f} s", met and seconds < _FASTEST
    return Row(name, seconds, size, f"{_PLAIN}: {plain:.2f} s", ratio, target, met)
