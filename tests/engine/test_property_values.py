"""Values keep their content on the wire, secrets stay marked, and paths read back as they were written."""

from typing import Any

from google.protobuf.struct_pb2 import Struct
from hypothesis import given
from hypothesis import strategies as st

from dev.engine.kubernetes_plugin.differences import differences
from dev.engine.kubernetes_plugin.property_paths import format_path, parse_path
from dev.engine.kubernetes_plugin.property_values import is_secret, mark_secrets, to_python, to_struct, wrap_secret

SCALARS = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=12,
)
OBJECTS = st.dictionaries(st.text(max_size=6), VALUES, max_size=4)
# Pulumi's notation escapes quotes alone, and no key in Kubernetes has a backslash.
STEPS = st.text(st.characters(exclude_characters="\\"), min_size=1, max_size=6) | st.integers(0, 99)


@given(OBJECTS)
def test_objects_come_back_as_they_were_sent(properties: dict[str, Any]) -> None:
    assert to_python(to_struct(properties)) == properties


@given(OBJECTS)
def test_an_object_does_not_differ_from_itself(properties: dict[str, Any]) -> None:
    assert list(differences(properties, properties)) == []


@given(st.lists(STEPS, min_size=1, max_size=5).map(lambda steps: ("root", *steps)))
def test_paths_read_back_as_they_were_written(path: tuple[str | int, ...]) -> None:
    assert parse_path(format_path(path)) == path


def test_what_is_secret_in_the_inputs_or_in_a_kubernetes_secret_is_secret_in_the_outputs() -> None:
    inputs = to_struct({"spec": {"env": [{"value": "hidden"}], "plain": "seen"}})
    wrap_secret(inputs.fields["spec"].struct_value.fields["env"].list_value.values[0].struct_value.fields["value"])
    outputs = to_struct({"spec": {"env": [{"value": "hidden"}], "plain": "seen"}, "status": {}})
    mark_secrets(outputs, inputs)
    spec = outputs.fields["spec"].struct_value.fields
    assert is_secret(spec["env"])
    assert not is_secret(spec["plain"])
    assert to_python(outputs)["spec"] == {"env": [{"value": "hidden"}], "plain": "seen"}

    secret = to_struct({"kind": "Secret", "data": {"password": "aGlkZGVu"}})
    mark_secrets(secret, Struct())
    assert is_secret(secret.fields["data"])
