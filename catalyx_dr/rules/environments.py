"""Defaults of an environment, and how a stack file is read over them (vendor guide, Best Practices; domain 1.1)."""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import BaseModel, ValidationError

from catalyx_dr.model.duration import format_duration
from catalyx_dr.model.environment_spec import Environment, EnvironmentSpec
from catalyx_dr.model.errors import SpecError
from catalyx_dr.model.quantity import Quantity
from catalyx_dr.model.schedule import Schedule
from catalyx_dr.rules import spec_faults


@dataclass(frozen=True)
class Defaults:
    """What an environment supplies where a stack file is silent; ranges are for the policy."""

    backup_cron: str
    backup_deadline: timedelta
    volume_keep: int
    bucket_keep: int
    dump_cron: str
    dump_keep: int
    verification_cron: str
    drill_cron: str
    fewest_backups: int
    most_backups: int | None
    fewest_dumps: int


DUMP_DEADLINE = timedelta(hours=1)
# Reading everything gently, or restoring everything, may take a night.
PROOF_DEADLINE = timedelta(hours=12)
_REQUESTS = ("restore", "identityImport")
_FOLLOWING = ("deadline", "recoveryPoint")
# They say what and where something is; nobody overrides an environment with them.
_FACTS = ("provider", "region", "prefix", "encrypted_at_rest", "source")

# Frequencies and numbers are the vendor's; critical adds Canton's "at least every 4 hours" and the vendor's 30+ dumps.
DEFAULTS: Mapping[Environment, Defaults] = {
    Environment.DEVELOPMENT: Defaults(
        backup_cron="0 0 * * *",
        backup_deadline=timedelta(hours=6),
        volume_keep=5,
        bucket_keep=5,
        dump_cron="0 0 * * 0",
        dump_keep=5,
        verification_cron="0 3 * * 0",
        drill_cron="0 4 1 * *",
        fewest_backups=3,
        most_backups=5,
        fewest_dumps=1,
    ),
    Environment.STAGING: Defaults(
        backup_cron="0 */12 * * *",
        backup_deadline=timedelta(hours=6),
        volume_keep=7,
        bucket_keep=14,
        dump_cron="0 0 * * *",
        dump_keep=7,
        verification_cron="0 3 * * 0",
        drill_cron="0 4 1 * *",
        fewest_backups=3,
        most_backups=30,
        fewest_dumps=3,
    ),
    Environment.PRODUCTION: Defaults(
        backup_cron="0 */6 * * *",
        backup_deadline=timedelta(hours=5),
        volume_keep=7,
        bucket_keep=30,
        dump_cron="0 0 * * *",
        dump_keep=14,
        verification_cron="0 3 * * 0",
        drill_cron="0 4 * * 6",
        fewest_backups=7,
        most_backups=30,
        fewest_dumps=14,
    ),
    Environment.CRITICAL: Defaults(
        backup_cron="0 */4 * * *",
        backup_deadline=timedelta(hours=3),
        volume_keep=12,
        bucket_keep=60,
        dump_cron="0 0 * * *",
        dump_keep=30,
        verification_cron="0 3 * * *",
        drill_cron="0 4 * * 6",
        fewest_backups=7,
        most_backups=None,
        fewest_dumps=30,
    ),
}


@dataclass(frozen=True)
class Override:
    """A value of the stack file that differs from the default; texts as a stack file writes them."""

    path: str
    value: str
    default: str

    def __str__(self) -> str:
        return f"{self.path}: {self.value} (default {self.default})"


def load_environment(raw: Mapping[str, Any]) -> EnvironmentSpec:
    """Read a stack's configuration (keys without `catalyx-dr:`) over its environment's defaults.

    A validator without `backup` or `identityDump` stays without: a default cannot invent a destination, and the
    policy reports the missing half (DR001). Inside a block, cron, deadline, recovery point and retention are filled.
    An empty `restore` or `identityImport` asks for nothing: it is the default that Pulumi.yaml declares.
    Raises SpecError with one line a fault.
    """
    document = {key: value for key, value in deepcopy(dict(raw)).items() if value is not None}
    for request in _REQUESTS:
        if document.get(request) == {}:
            del document[request]
    faults = list(_empty_blocks(document))
    # An unknown environment is one fault; its missing defaults are none.
    _fill(document, DEFAULTS[_environment(document) or Environment.PRODUCTION])
    try:
        spec = EnvironmentSpec.model_validate(document, by_alias=True, by_name=False)
    except ValidationError as error:
        told = {fault.split(": ")[0] for fault in faults}
        more = spec_faults.faults(error, EnvironmentSpec, document)
        faults += [fault for fault in more if fault.split(": ")[0] not in told]
    if faults:
        raise SpecError("\n".join(dict.fromkeys(faults))) from None
    return spec


def overrides(spec: EnvironmentSpec) -> tuple[Override, ...]:
    """What the stack sets differently from its environment's defaults, in backups and identity dumps."""
    found: list[Override] = []
    for place, validator in enumerate(spec.validators):
        for block in ("backup", "identity_dump", "verification", "drill"):
            part = getattr(validator, block)
            if part is None:
                continue
            alias = type(validator).model_fields[block].alias or block  # as the file writes it
            bare, same_runs = {alias: _shape(part)}, {alias: {"cron": part.cron, "timeZone": part.time_zone}}
            for block_alone in (bare, same_runs):
                _fill_validator(block_alone, DEFAULTS[spec.environment])
            # What follows from a schedule of its own is no setting of its own.
            followed = {name: same_runs[alias][name] for name in _FOLLOWING if name in same_runs[alias]}
            found += _differences(part, bare[alias] | followed, f"validators[{place}].{alias}")
    return tuple(found)


def _environment(document: Mapping[str, Any]) -> Environment | None:
    try:
        return Environment(document.get("environment", ""))
    except ValueError:
        return None


def _fill(document: dict[str, Any], defaults: Defaults) -> None:
    validators = document.get("validators")
    for validator in validators if isinstance(validators, list | tuple) else ():
        if isinstance(validator, dict):
            _fill_validator(validator, defaults)


def _fill_validator(validator: dict[str, Any], defaults: Defaults) -> None:
    backup = validator.get("backup")
    if isinstance(backup, dict):
        _fill_schedule(backup, defaults.backup_cron, defaults.backup_deadline)
        for destination, keep in (
            ("volume", defaults.volume_keep),
            ("snapshot", defaults.volume_keep),
            ("bucket", defaults.bucket_keep),
        ):
            if isinstance(backup.get(destination), dict):
                _fill_keep(backup[destination], keep)
    dumps = validator.get("identityDump")
    if isinstance(dumps, dict):
        _fill_schedule(dumps, defaults.dump_cron, DUMP_DEADLINE)
        _fill_keep(dumps, defaults.dump_keep)
    for name, cron in (("verification", defaults.verification_cron), ("drill", defaults.drill_cron)):
        if isinstance(validator.get(name), dict):
            _fill_run(validator[name], cron, PROOF_DEADLINE)
    if isinstance(backup, dict) and backup.get("method") == "snapshot" and isinstance(validator.get("drill"), dict):
        validator["drill"].setdefault("source", "snapshot")


def _fill_keep(holder: dict[str, Any], keep: int) -> None:
    retention = holder.setdefault("retention", {})
    if isinstance(retention, dict):
        retention.setdefault("keep", keep)


def _fill_schedule(block: dict[str, Any], cron: str, deadline: timedelta) -> None:
    """Fill cron, and what follows from it: the recovery point is its largest gap, a deadline ends before the next run.

    A schedule that is wrong, or never runs, is left for validation and the policy to report.
    """
    gaps = _fill_run(block, cron, deadline)
    if gaps is not None:
        block.setdefault("recoveryPoint", format_duration(gaps[1]))


def _fill_run(block: dict[str, Any], cron: str, deadline: timedelta) -> tuple[timedelta, timedelta] | None:
    """Fill cron and deadline; returns the smallest and the largest gap, or None for what is no schedule."""
    block.setdefault("cron", cron)
    now = datetime.now(UTC)
    try:
        schedule = Schedule(block["cron"], block.get("timeZone", "Etc/UTC"))
        gaps = schedule.smallest_gap(now), schedule.largest_gap(now)
    except (ValueError, TypeError, AttributeError):
        return None
    block.setdefault("deadline", format_duration(min(deadline, gaps[0])))
    return gaps


def _empty_blocks(document: Mapping[str, Any]) -> Iterator[str]:
    """A key with nothing under it is neither absent nor filled; say so instead of guessing."""
    validators = document.get("validators")
    for place, validator in enumerate(validators if isinstance(validators, list | tuple) else ()):
        if not isinstance(validator, dict):
            continue
        blocks: list[tuple[str, dict[str, Any]]] = [("", validator)]
        while blocks:
            prefix, block = blocks.pop(0)
            for key in [key for key, value in block.items() if value is None]:
                del block[key]
                yield (
                    f"validators[{place}].{prefix}{key}: found nothing; write a value, {{}} for the defaults, "
                    "or leave the key out"
                )
            blocks += [(f"{prefix}{key}.", value) for key, value in block.items() if isinstance(value, dict)]


def _shape(part: BaseModel) -> dict[str, Any]:
    """The nested blocks of a specification without any value, to be filled by defaults."""
    return {
        field.alias or name: _shape(getattr(part, name))
        for name, field in type(part).model_fields.items()
        if isinstance(getattr(part, name), BaseModel)
    }


def _differences(part: BaseModel, defaults: Mapping[str, Any], path: str) -> Iterator[Override]:
    for name, field in type(part).model_fields.items():
        alias = field.alias or name
        value = getattr(part, name)
        if name in _FACTS:
            continue
        if isinstance(value, BaseModel):
            yield from _differences(value, defaults.get(alias, {}), f"{path}.{alias}")
            continue
        default = defaults.get(alias, None if field.is_required() else field.default)
        if default is not None and value is not None and _text(value) != _text(default):
            yield Override(f"{path}.{alias}", _text(value), _text(default))


def _text(value: object) -> str:
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, Quantity):
        return str(value)
    return str(value).lower() if isinstance(value, bool) else str(value)
