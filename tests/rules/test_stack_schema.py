"""The schema that editors check stack files with: every good stack satisfies it, and slips are seen."""

from pathlib import Path
from typing import Any

import pytest

from catalyx_dr.rules.stack_schema import stack_schema
from dev import generated_files
from tests.components.rendering import PROJECT_FOLDER, stack_file
from tests.rules.stack_corpus import GOOD, good

SCHEMA = stack_schema()


def objections(schema: dict[str, Any], value: Any, path: str = "") -> list[str]:
    """What an editor marks: fields that are required and absent, and unknown ones."""
    if "$ref" in schema:
        return objections(SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]], value, path)
    choices = schema.get("oneOf") or schema.get("anyOf")
    if choices:
        return min((objections(choice, value, path) for choice in choices), key=len)
    if isinstance(value, list):
        items = schema.get("items", {})
        return [one for place, item in enumerate(value) for one in objections(items, item, f"{path}[{place}]")]
    if not isinstance(value, dict):
        return []
    known = schema.get("properties", {})
    found = [f"{path}: {name} is required" for name in schema.get("required", ()) if name not in value]
    if schema.get("additionalProperties") is False:
        found += [f"{path}: {name} is unknown" for name in value if name not in known]
    inner = [objections(known[name], one, f"{path}.{name}") for name, one in value.items() if name in known]
    return found + [one for group in inner for one in group]


def marked(configuration: dict[str, Any]) -> list[str]:
    return objections(SCHEMA, {"config": {f"catalyx-dr:{name}": value for name, value in configuration.items()}})


@pytest.mark.parametrize("name", GOOD)
def test_good_stacks_are_not_marked(name: str) -> None:
    assert marked(good(name)) == []


@pytest.mark.parametrize("stack", ["dev", "local", "prod", "staging"])
def test_committed_stacks_are_not_marked(stack: str) -> None:
    assert marked(stack_file(stack)) == []


def test_slips_are_marked() -> None:
    configuration = good("production")
    del configuration["validators"][0]["partyHint"]
    configuration["validators"][1]["backup"]["crone"] = "0 0 * * *"
    assert marked(configuration) == [
        ".config.catalyx-dr:validators[0]: partyHint is required",
        ".config.catalyx-dr:validators[1].backup: crone is unknown",
    ]


def test_every_committed_stack_names_the_schema_for_editors() -> None:
    for path in (PROJECT_FOLDER / "stacks").glob("Pulumi.*.yaml"):
        assert path.read_text().startswith("# yaml-language-server: $schema=schema.json\n")


@pytest.mark.parametrize(
    ("path", "text"), generated_files.contents().items(), ids=lambda part: getattr(part, "name", "")
)
def test_committed_files_are_those_of_the_code(path: Path, text: str) -> None:
    assert path.read_text(encoding="utf-8") == text, "run make schema"


def test_secrets_have_no_place_in_the_file_but_those_of_providers_do() -> None:
    sealed = {"secure": "v1:AAAA:BBBB"}
    configuration = good("production")
    configuration["validators"][0]["databases"]["server"]["password"] = sealed
    assert marked(configuration)
    document = {"config": {f"catalyx-dr:{name}": value for name, value in good("production").items()}}
    document["config"]["kubernetes:kubeconfig"] = sealed
    assert objections(SCHEMA, document) == []
