"""The JSON Schema by which editors complete and check stack files (stacks/schema.json), made from the model."""

from datetime import timedelta
from typing import Any

from pydantic import TypeAdapter

from catalyx_dr.model.duration import PATTERN as DURATION_PATTERN
from catalyx_dr.model.duration import format_duration
from catalyx_dr.model.environment_spec import Environment, EnvironmentSpec
from catalyx_dr.rules.environments import DEFAULTS, Defaults

NAMESPACE = "catalyx-dr"
Schema = dict[str, Any]
# What the environment fills in, and where: never required of a person.
_FILLED = {
    "DatabaseBackup": ("cron",),
    "IdentityDumps": ("cron", "retention"),
    "Verification": ("cron",),
    "Drill": ("cron",),
    "BackupVolume": ("retention",),
    "BackupBucket": ("retention",),
    "VolumeSnapshots": ("retention",),
    "Retention": ("keep",),
}


def stack_schema() -> Schema:
    """Schema of a whole `Pulumi.<stack>.yaml`."""
    schema = EnvironmentSpec.model_json_schema(by_alias=True, mode="validation")
    definitions: Schema = schema["$defs"]
    for name, fields in _FILLED.items():
        _not_required(definitions[name], fields)
    _describe_defaults(definitions)
    for part in (schema, *definitions.values()):
        part.pop("title", None)
        part["properties"] = {name: _as_written(field) for name, field in part.get("properties", {}).items()}
        if not part["properties"]:
            del part["properties"]
    prefix = f"{NAMESPACE}:"
    keys = {f"{prefix}{name}": value for name, value in schema["properties"].items()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Stack file of catalyx_dr",
        "type": "object",
        "required": ["config"],
        "properties": {
            "config": {
                "type": "object",
                "required": [f"{prefix}{name}" for name in schema["required"]],
                "properties": keys,
                "patternProperties": {f"^{prefix}(?!({'|'.join(schema['properties'])})$)": False},
            },
            "encryptionsalt": {"type": "string"},
            "encryptedkey": {"type": "string"},
            "secretsprovider": {"type": "string"},
            "environment": {"type": ["array", "object"]},
        },
        "additionalProperties": False,
        "$defs": dict(sorted(definitions.items())),
    }


def _not_required(definition: Schema, fields: tuple[str, ...]) -> None:
    required = [name for name in definition.get("required", ()) if name not in fields]
    definition.pop("required", None)
    if required:
        definition["required"] = required


def _describe_defaults(definitions: Schema) -> None:
    def told(field: str) -> str:
        values = ", ".join(f"{environment} {getattr(DEFAULTS[environment], field)}" for environment in Environment)
        return f"Default by environment: {values}"

    assert set(DEFAULTS) == set(Environment)  # noqa: S101 - every environment has defaults
    fields: dict[tuple[str, str], str] = {
        ("DatabaseBackup", "cron"): "backup_cron",
        ("IdentityDumps", "cron"): "dump_cron",
        ("Verification", "cron"): "verification_cron",
        ("Drill", "cron"): "drill_cron",
        ("BackupVolume", "retention"): "volume_keep",
        ("VolumeSnapshots", "retention"): "volume_keep",
        ("BackupBucket", "retention"): "bucket_keep",
        ("IdentityDumps", "retention"): "dump_keep",
    }
    assert set(fields.values()) <= set(Defaults.__dataclass_fields__)  # noqa: S101 - named as the defaults are
    for (definition, name), default in fields.items():
        definitions[definition]["properties"][name]["description"] = told(default)


def _as_written(field: Schema) -> Schema:
    """A field as a person writes it: no repeated title, absent instead of null, durations as 6h instead of PT6H."""
    field = {key: value for key, value in field.items() if key != "title"}
    choices = [choice for choice in field.pop("anyOf", ()) if choice != {"type": "null"}]
    if len(choices) == 1:
        field = {**choices[0], **field}
    elif choices:
        field["anyOf"] = choices
    default = field.get("default", ...)
    if default is None:
        del field["default"]
    elif isinstance(default, str) and default.startswith("P") and field.get("pattern") == DURATION_PATTERN:
        field["default"] = format_duration(TypeAdapter(timedelta).validate_python(default))
    return field
