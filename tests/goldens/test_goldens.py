"""The committed stacks rendered to golden files: a change of one line in a stack shows as a readable diff.

`make goldens` rewrites them (syrupy's option; its own files would hold one snapshot's quoting inside another).
"""

import json
from pathlib import Path

import pytest

from tests.components.rendering import rendered_stack

STACKS = ("dev", "local", "prod", "staging")
# The SDK warns about its own modules when it loads them.
pytestmark = pytest.mark.filterwarnings("ignore:.*has been deprecated in favor of:DeprecationWarning")


def render(stack: str) -> str:
    documents = [resource.document for resource in rendered_stack(stack)]
    return json.dumps(documents, indent=2, sort_keys=True) + "\n"


@pytest.mark.parametrize("stack", STACKS)
def test_stack_renders_as_reviewed(stack: str, pytestconfig: pytest.Config) -> None:
    golden = Path(__file__).with_name(f"{stack}.json")
    found = render(stack)
    if pytestconfig.getoption("--snapshot-update"):
        golden.write_text(found)
    assert found == golden.read_text(), f"{golden.name} differs; look at the difference, then run make goldens"


@pytest.mark.parametrize("stack", STACKS)
def test_rendering_is_the_same_twice(stack: str) -> None:
    assert render(stack) == render(stack)


@pytest.mark.parametrize("stack", STACKS)
def test_rendering_holds_no_secret_material(stack: str) -> None:
    text = render(stack)
    assert "AGE-SECRET-KEY" not in text
    assert "PRIVATE KEY" not in text
