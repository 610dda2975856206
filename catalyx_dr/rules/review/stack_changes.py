"""What a change of a stack file means for backup and recovery, line by line."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from catalyx_dr.model.environment_spec import EnvironmentSpec
from catalyx_dr.model.run_schedule import CaptureSchedule
from catalyx_dr.model.validator_spec import ValidatorSpec
from catalyx_dr.rules.policy.finding import Finding, Severity
from catalyx_dr.rules.review.described import protection, recovery_point
from catalyx_dr.rules.review.field_changes import field_changes
from catalyx_dr.rules.review.stored_bytes import bucket_bytes, sizing, volume_bytes
from catalyx_dr.rules.review.words import arrow, code, prose
from catalyx_dr.rules.sizing import grown

# Told as sizes and recovery points, or in a section of their own.
_TOLD_OTHERWISE = ("recoveryPoint", "validators", "restore", "identityImport", "waivers")
_LONGER_POINT = "DR086"


@dataclass(frozen=True)
class Part:
    """What changes in one part of the stack."""

    title: str
    lines: tuple[str, ...]


def stack_changes(
    before: EnvironmentSpec, after: EnvironmentSpec, findings: Sequence[Finding], now: datetime
) -> tuple[Part, ...]:
    """Parts that change; `findings` are those of the change itself, which say what is lost."""
    old = {validator.name: validator for validator in before.validators}
    new = {validator.name: validator for validator in after.validators}
    parts = [Part("The stack", tuple(_of_stack(before, after)))]
    for name in [*new, *(name for name in old if name not in new)]:
        losses = [_loss(one) for one in findings if one.validator == name and one.id != _LONGER_POINT]
        parts.append(_of_validator(name, old.get(name), new.get(name), losses, now))
    return tuple(part for part in parts if part.lines)


def _of_validator(
    name: str, old: ValidatorSpec | None, new: ValidatorSpec | None, losses: list[str], now: datetime
) -> Part:
    if old is None and new is not None:
        return Part(f"{code(name)} is new", tuple(protection(new)))
    if old is None or new is None:
        return Part(f"{code(name)} goes", tuple(losses))
    fields = [str(one) for one in field_changes(old, new) if not one.path.endswith(_TOLD_OTHERWISE)]
    lines = [*losses, *_recovery_points(old, new), *_sizes(old, new, now), *fields]
    return Part(f"{code(name)}", tuple(dict.fromkeys(lines)))


def _of_stack(before: EnvironmentSpec, after: EnvironmentSpec) -> Iterator[str]:
    for change in field_changes(before, after):
        if change.path not in _TOLD_OTHERWISE:
            yield str(change)
    for word, one, other in (("new", after, before), ("removed", before, after)):
        for waiver in one.waivers:
            if waiver not in other.waivers:
                where = f" in {code(waiver.validator)}" if waiver.validator else ""
                yield f"{word} waiver of {waiver.finding}{where}: {prose(waiver.reason)}"


def _loss(found: Finding) -> str:
    if found.waived:
        return f"{prose(found.reason)} (waived: {prose(found.waived)})"
    return f"**{prose(found.reason)}, refused**" if found.severity is Severity.ERROR else prose(found.reason)


def _recovery_points(old: ValidatorSpec, new: ValidatorSpec) -> Iterator[str]:
    halves: tuple[tuple[str, CaptureSchedule | None, CaptureSchedule | None], ...] = (
        ("recovery point", old.backup, new.backup),
        ("recovery point of the identity", old.identity_dump, new.identity_dump),
    )
    for words, half_before, half_after in halves:
        before, after = (recovery_point(half) for half in (half_before, half_after))
        if before != after:
            yield f"{words} {arrow(before, after)}"


def _sizes(old: ValidatorSpec, new: ValidatorSpec, now: datetime) -> Iterator[str]:
    before, after = volume_bytes(old), volume_bytes(new)
    if before and after and before.size != after.size:
        yield f"volume {grown(before.size, after.size)}: {sizing(after)}"
    elif after and not before:
        yield f"volume {arrow('none', after.size.words)}: {sizing(after)}"
    at_store = [
        f"{found.total.words}" if found else "none" for found in (bucket_bytes(old, now), bucket_bytes(new, now))
    ]
    if at_store[0] != at_store[1]:
        yield f"expected in the bucket {arrow(*at_store)}"
