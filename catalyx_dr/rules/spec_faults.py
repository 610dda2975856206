"""What is wrong in a stack file, one line a fault: path, what was found, what is allowed; secrets are never shown."""

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from enum import Enum
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

HIDDEN = "a text that is not shown"
_SECRET_PLACES = re.compile(r"password|secret|token|credential|privatekey|accesskey|identity$", re.IGNORECASE)
_SECRET_TEXTS = re.compile(r"AGE-SECRET-KEY|-----BEGIN|^eyJ[A-Za-z0-9_-]+\.|//[^/@\s]+@|^AKIA|^v1:", re.IGNORECASE)
_LONGEST_SHOWN = 80
_QUALIFIED = "a key as Kubernetes writes it: a name of letters, digits, '-', '_' and '.', perhaps after example.com/"
# Kubernetes' and the vendor's words for a field.
_OTHERS_WORDS = {
    "schedule": "cron",
    "cronExpression": "cron",
    "maxBackupNumber": "retention.keep",
    "maxDumpNumber": "retention.keep",
    "identitiesSecretName": "bootstrapSecret",
}
_PATTERNS = {
    r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$": _QUALIFIED,
    r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$": "letters, digits, '-', '_' and '.', as Kubernetes writes labels",
    r"^([A-Za-z0-9.-]+(:[0-9]+)?/)?[a-z0-9]+([._-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*"
    r"(:[A-Za-z0-9_][A-Za-z0-9._-]{0,127})?(@sha256:[0-9a-f]{64})?$": (
        "an image without blanks, its path in small letters, for example registry.example.com/catalyx-dr:1.0"
    ),
    r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$": "lower-case letters, digits and '-', '-' neither first nor last",
    r"^[a-zA-Z0-9_]+-[a-zA-Z0-9_]+-[0-9]+$": "organization-function-number, for example acme-validator-1",
    r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$": "a bucket name: 3 to 63 lower-case letters, digits, '.' and '-'",
    r"^([A-Za-z0-9._-]+/)*$": "a key prefix that ends in a slash and does not begin with one, for example backups/",
    r"^https?://[^/\s]+$": "http:// or https:// and a host, without a path",
    r"^[A-Za-z0-9]([-A-Za-z0-9._]*[A-Za-z0-9])?$|^[0-9a-fA-F:]+$": (
        "the name or address of a host, without scheme, port or path"
    ),
    r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$": (
        "lower-case letters, digits, '-' and '.', the last two neither first nor last"
    ),
    r"^[A-Za-z0-9_-]+$": "letters, digits, '-' and '_', for example eu-central-1",
    r"^[^\s<>]([^<>\n]*[^\s<>])?$": "a text on one line, without blanks around it, and without < and >",
    r"^[a-zA-Z0-9_-]([a-zA-Z0-9_ -]|:[a-zA-Z0-9_-])*$": (
        "the identifier alone, the middle of PAR::identifier::1220...: letters, digits, '_' and '-'"
    ),
    r"^https?://[^/\s]+(/\S*)?$": "http:// or https:// and a host",
    r"^[-._a-zA-Z0-9]+$": "a key of a Secret: letters, digits, '-', '_' and '.'",
    r"^age1[0-9a-z]{58}$": "an age recipient (a public key): age1 and 58 letters and digits",
    r"^[a-z0-9.-]+/v[a-z0-9]+$": "group/version, for example example.com/v1",
    r"^[A-Z][A-Za-z0-9]*$": "a kind as Kubernetes writes it, for example Validator",
    r"^[a-zA-Z0-9_-]+$": "letters, digits, '_' and '-'",
    r"^[^\x00-\x1f\x7f]*$": "a text on one line",
    r"^DR[0-9]{3}$": "an id of a finding, for example DR010",
    r"^latest$|^[0-9]{8}t[0-9]{6}z$": "latest, or an id such as 20261124t060000z",
    r"^latest$|^latest before \S+$|^[0-9]{8}t[0-9]{6}z$": (
        "latest, an id such as 20261124t060000z, or latest before 2026-11-24T06:00:00Z"
    ),
    r"^PAR::[^:]+::1220[0-9a-f]{64}$": "a participant's id: PAR::identifier::1220 and 64 hexadecimal digits",
    r"^[a-z]+(-[a-z]+)*$": "the name of a verdict, such as set-age",
}


def faults(error: ValidationError, model: type[BaseModel], raw: object) -> tuple[str, ...]:
    """Lines for every fault that pydantic found in `raw`, read as `model`."""
    details = [detail for detail in error.errors(include_url=False) if not _follows_from_items(detail)]
    return tuple(_line(detail, model, raw) for detail in details)


def shown(value: object, path: str) -> str:
    """Write `value`, found at `path`, for people: shortened, and hidden where it may be a secret."""
    if value is None:
        return "nothing"
    if isinstance(value, Mapping):
        keys = ", ".join(sorted(str(key) for key in value))
        return f"a mapping with {keys}" if keys else "an empty mapping"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    if isinstance(value, str):
        if is_secret(value, path):
            return HIDDEN
        return repr(value if len(value) <= _LONGEST_SHOWN else value[:_LONGEST_SHOWN] + "...")
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value.value if isinstance(value, Enum) else value)


def is_secret(value: str, path: str) -> bool:
    """Tell whether a text may be a secret, from where it stands or what it looks like."""
    place = path.rsplit(".", 1)[-1]
    return bool(_SECRET_PLACES.search(place) or _SECRET_TEXTS.search(value))


def dotted(location: Sequence[int | str]) -> str:
    """Path as people write it: `validators[2].backup.cron`."""
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _follows_from_items(detail: ErrorDetails) -> bool:
    """A list counts as too short when its items are faulty; only the items' own lines help."""
    return detail["type"] == "too_short" and len(detail["input"]) >= detail["ctx"]["min_length"]


def _line(detail: ErrorDetails, model: type[BaseModel], raw: object) -> str:
    location = _in_file(detail["loc"], raw)
    path, found = dotted(location), detail["input"]
    context = detail.get("ctx", {})
    match detail["type"]:
        case "missing":
            text = "is required, and is missing"
        case "invalid_key":
            path = f"{dotted(location[:-1])}.{location[-1]}"
            text = f"is no name of a field; allowed: {', '.join(_fields_at(model, detail['loc'][:-1]))}"
        case "extra_forbidden":
            text = _unknown_field(str(location[-1]), _fields_at(model, detail["loc"][:-1]))
        case "union_tag_not_found" | "union_tag_invalid":
            path, tags = f"{path}.kind", ("splice-helm", "custom-resource")
            text = f"found {shown(context.get('tag'), path)}; allowed: {', '.join(tags)}"
        case "value_error" | "assertion_error":
            text = _own_message(str(context.get("error", detail["msg"])), found, path)
        case _:
            text = f"found {shown(found, path)}; allowed: {_allowed(detail, _fields_at(model, detail['loc']))}"
    return f"{path}: {text}" if path else text


def _in_file(location: Sequence[int | str], raw: object) -> list[int | str]:
    """Leave out the parts of pydantic's location that are no keys of the file (the kind chosen in a union)."""
    path: list[int | str] = []
    here = raw
    for position, part in enumerate(location):
        last = position == len(location) - 1
        if isinstance(here, Mapping) and (part in here or last):
            path.append(part)
            here = here.get(part)
        elif isinstance(part, int) and isinstance(here, list | tuple):
            path.append(part)
            here = here[part] if part < len(here) else None
        elif not isinstance(here, Mapping | list | tuple):
            break
    return path


def _unknown_field(name: str, known: Sequence[str]) -> str:
    word = _OTHERS_WORDS.get(name, "")
    near = [word] if word.partition(".")[0] in known else get_close_matches(name, known, n=1)
    meant = f" ({near[0]} is meant?)" if near else ""
    return f"is an unknown field{meant}; allowed: {', '.join(known)}"


def _own_message(message: str, found: object, path: str) -> str:
    if isinstance(found, str) and is_secret(found, path):
        return message.replace(repr(found), HIDDEN).replace(found, HIDDEN) if found else message
    return message


def _allowed(detail: ErrorDetails, fields: Sequence[str]) -> str:
    context = detail.get("ctx", {})
    kind = detail["type"]
    simple = {
        "int_type": "a whole number",
        "int_from_float": "a whole number",
        "finite_number": "a whole number",
        "bool_type": "true or false" + (", without quotes" if detail["input"] in ("true", "false") else ""),
        "string_type": "a text" + ("; put it in quotes" if isinstance(detail["input"], bool | int | float) else ""),
        "tuple_type": "a list, each entry after a dash",
        "dict_type": "a mapping",
        "model_type": f"a mapping with {', '.join(fields)}",
        "model_attributes_type": f"a mapping with {', '.join(fields)}",
    }
    if kind in simple:
        return simple[kind]
    if kind in ("enum", "literal_error"):
        return str(context["expected"]).replace("'", "").replace(" or ", ", ")
    if kind == "string_pattern_mismatch":
        return _PATTERNS.get(str(context["pattern"]), f"a text of the form {context['pattern']}")
    bounds = {
        "greater_than_equal": "{ge} or more",
        "less_than_equal": "{le} or less",
        "string_too_short": "{min_length} characters or more",
        "string_too_long": "{max_length} characters or less",
        "too_short": "{min_length} or more",
    }
    return bounds[kind].format(**context) if kind in bounds else detail["msg"]


def _fields_at(model: type[BaseModel], location: Sequence[int | str]) -> list[str]:
    """Field names of the model that stands at pydantic's `location`, as a file writes them."""
    choices: list[type[BaseModel]] = [model]
    for part in location:
        if isinstance(part, int):
            continue
        following = [inner for choice in choices for inner in _models_of(choice, part)]
        tagged = [choice for choice in choices if _tag(choice) == part]
        choices = following or tagged or choices
    names = (field.alias or name for choice in choices for name, field in choice.model_fields.items())
    return list(dict.fromkeys(names))


def _models_of(model: type[BaseModel], field_name: str) -> list[type[BaseModel]]:
    for name, field in model.model_fields.items():
        if field_name in (name, field.alias):
            return _models_in(field.annotation)
    return []


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) in (Union, UnionType, tuple) or hasattr(annotation, "__metadata__"):
        return [model for inner in get_args(annotation) for model in _models_in(inner)]
    return []


def _tag(model: type[BaseModel]) -> object:
    field = model.model_fields.get("kind")
    return field.default if field else None
