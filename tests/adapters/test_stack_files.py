"""Stack files are read as the engine reads them; what it does with each scalar was seen with Pulumi 3.259."""

import json
from pathlib import Path
from typing import Any

import pytest

from catalyx_dr.adapters.stack_files import StackProject, read_yaml
from catalyx_dr.model.errors import SpecError

PROJECT = """
name: backups
config:
  environment: {type: string, default: staging}
  backups:raised: {default: [DR010]}
  kubernetes:context: {value: elsewhere}
"""


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("yes", "yes"),
        ("no", "no"),
        ("on", "on"),
        ("y", "y"),
        ("True", True),
        ("false", False),
        ("0o17", 15),
        ("0x1f", 31),
        ("0b11", 3),
        ("1_000", 1000),
        ("1:30", "1:30"),
        ('"2026-11-24"', "2026-11-24"),
        ("latest before 2026-11-24T06:00:00Z", "latest before 2026-11-24T06:00:00Z"),
        ("2026-11-24-again", "2026-11-24-again"),
        ("1e3", 1000),
        ("6e12", 6_000_000_000_000),
        ("12.0", 12),
        (".5", 0.5),
        ("~", None),
        ("20261124t060000z", "20261124t060000z"),
        ('"7"', "7"),
        ("-3", -3),
        ("4h", "4h"),
        ("10Gi", "10Gi"),
        ("0", 0),
    ],
)
def test_scalars_are_what_the_engine_takes_them_for(written: str, read: Any) -> None:
    found = read_yaml(f"a: {written}", "x")["a"]
    assert (found, type(found)) == (read, type(read))


def test_anchors_and_merges_are_followed() -> None:
    found = read_yaml("a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\nc: *a", "x")
    assert found == {"a": {"x": 1, "y": 2}, "b": {"x": 1, "y": 3}, "c": {"x": 1, "y": 2}}


def test_key_written_twice_is_refused_as_the_engine_does() -> None:
    with pytest.raises(SpecError, match=r"stack\.yaml: line 3: key 'a' is written twice, first in line 1"):
        read_yaml("a: 1\nb: 2\na: 3\n", "stack.yaml")


@pytest.mark.parametrize("text", ["a: [", "\tb: 1", "a: *nowhere", "a: !!python/name:os.system x", "a: \x00"])
def test_what_is_no_yaml_is_refused(text: str) -> None:
    with pytest.raises(SpecError, match=r"stack\.yaml: "):
        read_yaml(text, "stack.yaml")


def test_file_of_another_encoding_is_told(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: backups\n")
    (tmp_path / "Pulumi.dev.yaml").write_bytes(b"config:\n  backups:environment: \xe9\n")
    with pytest.raises(SpecError, match=r"Pulumi\.dev\.yaml: is no UTF-8 from its byte 32 on; save it as UTF-8"):
        StackProject.around(tmp_path).read("dev")


def test_project_whose_settings_are_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: backups\nconfig: [1]\n")
    with pytest.raises(SpecError, match=r"Pulumi\.yaml: config: found no mapping"):
        StackProject.around(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "config: [1]", "text"])
def test_what_is_no_stack_file_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "Pulumi.yaml").write_text(PROJECT)
    with pytest.raises(SpecError, match="found no mapping"):
        StackProject.around(tmp_path).parse(text, "Pulumi.dev.yaml")


def project(tmp_path: Path) -> StackProject:
    (tmp_path / "Pulumi.yaml").write_text(PROJECT)
    return StackProject.around(tmp_path)


def test_key_without_a_prefix_is_one_of_the_project(tmp_path: Path) -> None:
    settings = project(tmp_path).parse("config: {raised: [], backups:agent: x}", "Pulumi.dev.yaml").settings
    assert settings == {"environment": "staging", "raised": [], "agent": "x"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("backups:raised: []", "backups:raised: stands outside of config, where the engine ignores it"),
        ("config: {backup:restore: {}}", "config.backup:restore: backups: is meant, not backup:"),
    ],
)
def test_keys_that_the_engine_would_ignore_are_told(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(SpecError, match=told):
        project(tmp_path).parse(text, "Pulumi.dev.yaml")


def test_defaults_of_the_project_are_filled_in(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.yaml").write_text(PROJECT)
    (tmp_path / "inner").mkdir()
    project = StackProject.around(tmp_path / "inner")
    document = {"config": {"backups:raised": [], "other:key": 1, "kubernetes:kubeconfig": {"secure": "v1:x"}}}
    file = project.parse(json.dumps(document), "Pulumi.dev.yaml")
    assert file.settings == {"environment": "staging", "raised": []}
    assert file.cluster == {}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("cron: * * * * *", "a text that begins with * needs quotes, for example cron: '*/5 * * * *'"),
        ("cron: */5 * * * *", "a text that begins with * needs quotes"),
        ("cron: *daily", "found undefined alias 'daily'; a text that begins with * needs quotes"),
        ("cron: @daily", "a text that begins with it needs quotes, for example cron: '@daily'"),
        ("host: {{ host }}", "found unhashable key; a text that begins with { needs quotes"),
        ("reason: agreed: in March", "a text with a colon and a blank in it needs quotes"),
        (
            "a:\n  b: 1\n c: 2",
            "line 3: begins in a column where nothing above begins, or follows a quote that is not closed",
        ),
        ("a: 1\n---\nb: 2", "line 2: a second document begins; a stack file is one, without --- in it"),
        (
            "keep: 012",
            "line 1: 012 begins with 0, so that YAML reads another number; write it without, or quote a text",
        ),
        ("keep: 08", "08 begins with 0"),
        ("requestId: 2026-11-24", "2026-11-24 is a date, which the engine writes in another way; quote it"),
        ("set: 2026-11-24T06:00:00Z", "2026-11-24T06:00:00Z is a date"),
        ("set: 2026-11-24 06:00:00 +01:00", "2026-11-24 06:00:00 +01:00 is a date"),
        ("a:\n\tb: 1", "line 2: found character '\\t' that cannot start any token; indent with blanks"),
        ("a: &a {b: *a}", "nested too deep, or one holds itself"),
        ("a: " + "[" * 2000 + "]" * 2000, "nested too deep, or one holds itself"),
        ("a: " + "9" * 5000, "holds a number that is too long"),
        ("a: b\x07c", "character #x0007 cannot be in YAML"),
    ],
)
def test_surprises_of_yaml_are_told_with_the_way_out(text: str, told: str) -> None:
    with pytest.raises(SpecError) as refused:
        read_yaml(text, "stack.yaml")
    assert told in str(refused.value)
