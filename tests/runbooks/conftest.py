"""A validator of the runbooks' own beside the local platform's: protected once, damaged and recovered by each page."""

import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest
from lightkube import Client

from dev import cluster, platform
from dev.local_stack import LocalStack
from dev.toolchain import kubectl
from tests.runbooks.page import Page

NAMESPACE, VALIDATOR = "validator-7", "orchid"
PARTY_HINT = f"acme-{NAMESPACE}"
# What stands for a person's own charts and Secrets.
INSTALL = f'"{sys.executable}" -m dev.platform up --validator {NAMESPACE}'


@dataclass
class Rescue:
    """The validator, its stack, and a person who follows a page to the letter; `identity` opens the newest sets."""

    api: Client
    stack: LocalStack
    programs: Path
    identity: Path

    @property
    def wallet(self) -> platform.Wallet:
        return platform.Wallet(self.api, NAMESPACE)

    def capture(self) -> Decimal:
        """Take both halves; returns the balance of that moment."""
        balance = self.wallet.balance()
        for what in ("backup", "identity-dump"):
            self.stack.show("catalyx-dr", "run", what, "--namespace", NAMESPACE)
        return balance

    def follow(self, page: str, **filled_in: str) -> str:
        """Run the commands of a page in the stack's folder; returns what they said, fails with the step that failed."""
        runbook = Page.read(page)
        values = {"NAMESPACE": NAMESPACE, "VALIDATOR": VALIDATOR, "REQUEST": f"{page}-{run_id()}"} | filled_in
        unknown = set(runbook.filled_in) - set(values)
        assert not unknown, f"{page}.md has {unknown} filled in, the test gives no value"
        search = f"{self.programs}:{self.stack.environment['PATH']}"
        environment = self.stack.environment | {"PATH": search, "COLUMNS": "80"}
        environment |= {name: values[name] for name in runbook.filled_in}
        ended = subprocess.run(
            ["bash", "-c", runbook.script()],
            cwd=self.stack.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        print(ended.stdout)
        assert ended.returncode == 0, f"{page}.md ended with {ended.returncode}:\n{ended.stdout[-4000:]}"
        return ended.stdout


def run_id() -> str:
    """Part of names that are never used twice."""
    return time.strftime("%Y%m%d%H%M%S", time.gmtime())


@pytest.fixture(scope="session")
def rescue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rescue]:
    cluster.up()
    platform.up(NAMESPACE, party_hint=PARTY_HINT)
    programs = tmp_path_factory.mktemp("programs")
    for name, command in (
        ("catalyx-dr", f'exec "{sys.executable}" -m catalyx_dr "$@"'),
        ("kubectl", f'exec "{kubectl()}" "$@"'),
    ):
        launcher = programs / name
        launcher.write_text(f"#!/bin/sh\n{command}\n")
        launcher.chmod(0o755)
    stack = LocalStack(tmp_path_factory.mktemp("stack") / "local")
    stack.create()
    stack.declare_for_validator(name=VALIDATOR, namespace=NAMESPACE, partyHint=PARTY_HINT, nodeIdentifier=PARTY_HINT)
    try:
        with platform.client() as api:
            stack.show("pulumi", "up", "--yes", "--skip-preview")
            yield Rescue(api, stack, programs, stack.identity_file)
    finally:
        platform.down(NAMESPACE)
