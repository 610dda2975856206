"""The policy pack in the real engine: the same findings, and a preview that an error stops."""

import shutil

import pytest
import yaml

from tests.components.rendering import PROJECT_FOLDER
from tests.engine.conftest import NewProject
from tests.engine.pulumi_project import PulumiProject
from tests.rules.stack_corpus import good


@pytest.fixture
def project(new_project: NewProject) -> PulumiProject:
    """A program that checks nothing, and the pack beside it, in the environment of the tests."""
    project = new_project("")
    pack = project.folder / "pack"
    pack.mkdir()
    shutil.copy(PROJECT_FOLDER / "policy_pack" / "__main__.py", pack)
    (pack / "PulumiPolicy.yaml").write_text("runtime: python\n")
    project.environment["PYTHONPATH"] = str(PROJECT_FOLDER)
    return project


def previewed(project: PulumiProject, cron: str, **more: object) -> tuple[int, str]:
    configuration = good("production") | more
    configuration["validators"][0]["backup"]["cron"] = cron
    path = project.folder / "Pulumi.dev.yaml"
    document = yaml.safe_load(path.read_text()) | {
        "config": {f"under-test:{key}": value for key, value in configuration.items()}
    }
    path.write_text(yaml.safe_dump(document))
    ended = project.run("preview", "--policy-pack", "pack")
    return ended.returncode, ended.stdout


def test_warnings_are_shown_and_errors_stop_the_preview(project: PulumiProject) -> None:
    code, shown = previewed(project, "0 */4 * * *")
    assert code == 0, shown
    assert "catalyx-dr@v" in shown
    assert "DR0" not in shown

    code, shown = previewed(project, "0 */6 * * *")
    assert code == 0, shown
    assert "[advisory]  DR010" in shown
    assert "validators[0].backup.cron: the recovery point of '0 */6 * * *' is 6h, Canton asks for 4h" in shown

    code, shown = previewed(project, "0 */6 * * *", raised=["DR010"])
    assert code != 0, shown
    assert "[mandatory]  DR010" in shown


def test_stack_file_that_cannot_be_read_stops_the_preview(project: PulumiProject) -> None:
    code, shown = previewed(project, "0 0 * * 7")
    assert code != 0, shown
    assert "[mandatory]  stack-file" in shown
    assert "validators[0].backup.cron: '0 0 * * 7' is no cron expression that Kubernetes accepts" in shown
