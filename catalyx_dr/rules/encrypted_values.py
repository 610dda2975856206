"""Encrypted values of a stack file (`secure: v1:...`): judged without being opened, and never shown.

A placeholder stands for each, made from its path, so that two versions of a file agree on it.
"""

import re
from collections.abc import Mapping
from typing import Any
from zlib import crc32

from catalyx_dr.model.environment_spec import EnvironmentSpec
from catalyx_dr.model.errors import SpecError
from catalyx_dr.rules.environments import load_environment

PLACEHOLDER = re.compile(r"(?:https://|alias/)?encrypted-[0-9a-f]{8}(?:-0|\.invalid)?")
# Most texts accept the first form; then addresses, party hints, keys of AWS.
_FORMS = ("{}", "https://{}.invalid", "{}-0", "alias/{}")


def load_unopened(raw: Mapping[str, Any]) -> tuple[EnvironmentSpec, tuple[str, ...]]:
    """Read a stack's configuration with its encrypted values closed; returns their paths too.

    Raises SpecError, also for an encrypted value of which no form is accepted: a cron expression, a size, a number.
    """
    paths = tuple(_encrypted(raw, ""))
    forms = dict.fromkeys(paths, 0)
    while True:
        try:
            return load_environment(_closed(raw, "", forms)), paths
        except SpecError as error:
            faulty = {path for path in paths if any(_concerns(line, path) for line in str(error).splitlines())}
            again = {path for path in faulty if forms[path] + 1 < len(_FORMS)}
            if not again:
                raise SpecError("\n".join(_told(line, paths) for line in str(error).splitlines())) from None
            forms.update({path: forms[path] + 1 for path in again})


def is_encrypted(value: object) -> bool:
    """Tell whether the engine reads `value` as an encrypted text."""
    return isinstance(value, Mapping) and set(value) == {"secure"} and isinstance(value["secure"], str)


def _encrypted(value: Any, path: str) -> list[str]:
    if is_encrypted(value):
        return [path]
    return [found for place, inner in _inner(value, path) for found in _encrypted(inner, place)]


def _closed(value: Any, path: str, forms: Mapping[str, int]) -> Any:
    if is_encrypted(value):
        return _FORMS[forms[path]].format(_placeholder(path))
    if isinstance(value, Mapping):
        return {key: _closed(inner, _key(path, key), forms) for key, inner in value.items()}
    if isinstance(value, list):
        return [_closed(inner, f"{path}[{place}]", forms) for place, inner in enumerate(value)]
    return value


def _inner(value: Any, path: str) -> list[tuple[str, Any]]:
    if isinstance(value, Mapping):
        return [(_key(path, key), inner) for key, inner in value.items()]
    return [(f"{path}[{place}]", inner) for place, inner in enumerate(value)] if isinstance(value, list) else []


def _key(path: str, key: object) -> str:
    return f"{path}.{key}" if path else str(key)


def _placeholder(path: str) -> str:
    return f"encrypted-{crc32(path.encode()):08x}"


def _concerns(line: str, path: str) -> bool:
    """Tell whether a fault is one of the field, or of what holds it and quotes it."""
    return line.startswith(f"{path}: ") or _placeholder(path) in line


def _told(line: str, paths: tuple[str, ...]) -> str:
    for path in paths:
        if _concerns(line, path):
            return (
                f"{path}: is encrypted, and cannot be judged without the stack's secrets; write it in clear, since "
                "secrets belong into Kubernetes Secrets and this is a reference or a setting"
            )
    return PLACEHOLDER.sub("(encrypted)", line)
