"""Programs and dynamic providers run, report faults, and leave no process behind."""

import signal
import time
from collections.abc import Callable

from tests.engine.conftest import NewProject
from tests.engine.pulumi_project import PulumiProject

ENDS_WITHIN_SECONDS = 10.0

PROVIDER = """
import pathlib
import time

import pulumi
from pulumi.dynamic import CreateResult, Resource, ResourceProvider


class SlowProvider(ResourceProvider):
    def configure(self, req):
        self.token = req.config.get("other:token")

    def create(self, props):
        pathlib.Path("created").touch()
        while pathlib.Path("slow").exists():
            time.sleep(0.05)
        return CreateResult("made", {"token_length": len(self.token or "")})


class Slow(Resource, module="test", name="Slow"):
    token_length: pulumi.Output[int]

    def __init__(self, name):
        super().__init__(SlowProvider(), name, {"token_length": None})
"""
PROGRAM = 'import pulumi\nimport slow_resource\n\npulumi.export("length", slow_resource.Slow("it").token_length)\n'


def eventually(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + ENDS_WITHIN_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def slow_project(new_project: NewProject) -> PulumiProject:
    project = new_project(PROGRAM)
    project.write("slow_resource.py", PROVIDER)
    return project


def test_a_dynamic_provider_gets_the_whole_configuration(new_project: NewProject) -> None:
    project = slow_project(new_project)
    project.succeed("config", "set", "--secret", "other:token", "12345678")
    project.up()
    assert project.succeed("stack", "output", "length").strip() == "8"
    assert "2 unchanged" in project.up()
    assert project.processes() == []


def test_a_fault_of_the_user_is_a_message_and_a_fault_of_the_program_a_traceback(new_project: NewProject) -> None:
    project = new_project('import pulumi\nraise pulumi.RunError("validators[0].name: missing")\n')
    message = project.run("preview")
    assert message.returncode != 0
    assert "error: validators[0].name: missing" in message.stdout
    assert "Traceback" not in message.stdout

    project.write("__main__.py", "def dig():\n    return {}['absent']\n\n\ndig()\n")
    traceback = project.run("preview")
    assert traceback.returncode != 0
    assert "KeyError: 'absent'" in traceback.stdout
    assert "in dig" in traceback.stdout
    assert "program_runner" not in traceback.stdout


def test_a_missing_virtualenv_is_named_with_the_way_out(new_project: NewProject) -> None:
    project = new_project("")
    project.write("Pulumi.yaml", "name: under-test\nruntime: {name: python, options: {virtualenv: nowhere}}\n")
    refused = project.run("preview")
    assert refused.returncode != 0
    assert "python3 -m venv" in refused.stdout


def test_nothing_outlives_a_killed_engine_and_the_next_run_creates_again(new_project: NewProject) -> None:
    project = slow_project(new_project)
    project.write("slow", "")
    engine = project.start("up", "--yes", "--skip-preview")
    created = project.folder / "created"
    assert eventually(created.exists)
    engine.send_signal(signal.SIGKILL)
    engine.communicate()
    assert eventually(lambda: project.processes() == []), project.processes()

    created.unlink()
    (project.folder / "slow").unlink()
    project.succeed("cancel", "--yes")
    assert "interrupted while creating" in project.up()
    assert created.exists()


def test_an_interrupted_run_ends_in_order_and_gives_the_lock_back(new_project: NewProject) -> None:
    project = slow_project(new_project)
    project.write("slow", "")
    engine = project.start("up", "--yes", "--skip-preview")
    assert eventually((project.folder / "created").exists)
    engine.send_signal(signal.SIGINT)
    (project.folder / "slow").unlink()
    output, _ = engine.communicate(timeout=ENDS_WITHIN_SECONDS)
    assert engine.returncode != 0, output
    assert eventually(lambda: project.processes() == []), project.processes()
    project.up()
