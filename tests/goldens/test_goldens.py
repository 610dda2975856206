"""The committed stacks rendered to golden files: a change of one line in a stack shows as a readable diff.

`make goldens` rewrites them.
"""

import json
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.json import JSONSnapshotExtension
from syrupy.location import PyTestLocation

from tests.components.rendering import rendered_stack

# The SDK warns about its own modules when it loads them.
pytestmark = pytest.mark.filterwarnings("ignore:aws:DeprecationWarning")

STACKS = ("dev", "local", "prod", "staging")


class StackFile(JSONSnapshotExtension):
    """One file a stack, named as the stack, beside this test."""

    @classmethod
    def dirname(cls, *, test_location: PyTestLocation) -> str:
        return str(test_location.filepath.rpartition("/")[0])

    @classmethod
    def get_snapshot_name(cls, *, test_location: PyTestLocation, index: Any) -> str:
        return str(index)


@pytest.mark.parametrize("stack", STACKS)
def test_stack_renders_as_reviewed(stack: str, snapshot: SnapshotAssertion) -> None:
    documents = [resource.document for resource in rendered_stack(stack)]
    assert documents == snapshot(name=stack, extension_class=StackFile)


@pytest.mark.parametrize("stack", STACKS)
def test_rendering_holds_no_secret_material(stack: str) -> None:
    text = json.dumps([resource.document for resource in rendered_stack(stack)])
    assert "AGE-SECRET-KEY" not in text
    assert "PRIVATE KEY" not in text
