"""Pulumi's wire form of property values (protobuf structs with signed secrets) and plain Python objects."""

from collections.abc import Iterator, Mapping
from typing import Any

from google.protobuf.struct_pb2 import NullValue, Struct, Value

# A string of this content stands for a value that is not known before an update.
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
_SIGNATURE_KEY = "4dabf18193072939515e22adb298388d"
_SECRET_SIGNATURE = "1b47061264138c4ac30d75fd1eb44270"
_UNKNOWN_BYTES = UNKNOWN.encode()

KubernetesObject = dict[str, Any]


def to_python(properties: Struct) -> KubernetesObject:
    """Convert to plain objects: secrets unwrapped, whole numbers as int, unknown values as UNKNOWN."""
    return {key: _value_to_python(value) for key, value in properties.fields.items()}


def _value_to_python(value: Value) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        return value.string_value
    if kind == "struct_value":
        fields = value.struct_value.fields
        if _is_signed_secret(fields):
            return _value_to_python(fields["value"])
        return {key: _value_to_python(inner) for key, inner in fields.items()}
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() else number
    if kind == "list_value":
        return [_value_to_python(inner) for inner in value.list_value.values]
    return value.bool_value if kind == "bool_value" else None


def to_struct(properties: Mapping[str, Any]) -> Struct:
    """Convert plain objects to the wire form, without any secrets."""
    struct = Struct()
    for key, value in properties.items():
        set_value(struct.fields[key], value)
    return struct


def set_value(target: Value, value: Any) -> None:
    """Write a plain object into a wire value."""
    if isinstance(value, str):
        target.string_value = value
    elif isinstance(value, dict):
        target.struct_value.SetInParent()
        fields = target.struct_value.fields
        for key, inner in value.items():
            set_value(fields[key], inner)
    elif isinstance(value, list):
        target.list_value.SetInParent()
        for inner in value:
            set_value(target.list_value.values.add(), inner)
    elif isinstance(value, bool):
        target.bool_value = value
    elif value is None:
        target.CopyFrom(Value(null_value=NullValue.NULL_VALUE))
    else:
        target.number_value = value


def contains_unknown(properties: Struct) -> bool:
    """Tell whether any value inside is not known yet."""
    return _UNKNOWN_BYTES in properties.SerializeToString()


def is_secret(value: Value) -> bool:
    """Tell whether this value itself is wrapped as a secret."""
    return value.WhichOneof("kind") == "struct_value" and _is_signed_secret(value.struct_value.fields)


def _is_signed_secret(fields: Mapping[str, Value]) -> bool:
    return _SIGNATURE_KEY in fields and fields[_SIGNATURE_KEY].string_value == _SECRET_SIGNATURE


def wrap_secret(value: Value) -> None:
    """Wrap a value as a secret, once; secrets inside it are unwrapped, since one wrapping hides all."""
    if is_secret(value):
        return
    plain = _value_to_python(value)
    value.Clear()
    value.struct_value.fields[_SIGNATURE_KEY].string_value = _SECRET_SIGNATURE
    set_value(value.struct_value.fields["value"], plain)


def mark_secrets(outputs: Struct, inputs: Struct) -> None:
    """Mark as secret what is secret in `inputs`, and the contents of every object of kind Secret.

    A list is marked whole when anything inside it is secret, because the API server may reorder it.
    """
    for key, given in inputs.fields.items():
        if key not in outputs.fields:
            continue
        value = outputs.fields[key]
        if _is_plain_object(value) and _is_plain_object(given):
            mark_secrets(value.struct_value, given.struct_value)
        elif _holds_secret(given):
            wrap_secret(value)
    if "kind" in outputs.fields and outputs.fields["kind"].string_value == "Secret":
        for key in ("data", "stringData"):
            if key in outputs.fields:
                wrap_secret(outputs.fields[key])


def _is_plain_object(value: Value) -> bool:
    return value.WhichOneof("kind") == "struct_value" and not is_secret(value)


def _holds_secret(value: Value) -> bool:
    return is_secret(value) or any(_holds_secret(inner) for inner in _children(value))


def _children(value: Value) -> Iterator[Value]:
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        yield from value.struct_value.fields.values()
    elif kind == "list_value":
        yield from value.list_value.values
