"""The page of a review: Markdown for a pull request, readable without knowing this project."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime

from catalyx_dr.model.quantity import Quantity
from catalyx_dr.model.run_schedule import RunSchedule
from catalyx_dr.model.validator_spec import ValidatorSpec
from catalyx_dr.rules.environments import overrides
from catalyx_dr.rules.policy.finding import Finding, Severity
from catalyx_dr.rules.review.described import recovery_point, schedules
from catalyx_dr.rules.review.recoveries import recoveries
from catalyx_dr.rules.review.stack_changes import stack_changes
from catalyx_dr.rules.review.stack_review import Review
from catalyx_dr.rules.review.stored_bytes import bucket_bytes, sizing, volume_bytes
from catalyx_dr.rules.review.words import code, prose
from catalyx_dr.rules.sizing import grown, kept_sets

# A comment of a pull request holds 65,536 characters.
_MOST_ROWS = 100


def page(review: Review) -> str:
    """The whole page."""
    sections = (
        _head(review),
        _changes(review),
        _section("Recoveries asked for", _bullets(recoveries(review))),
        _preview(review),
        _findings(review),
        _overrides(review),
        _cost(review),
        _next_runs(review),
    )
    return "\n".join(line for section in sections for line in section).rstrip() + "\n"


def refused_page(stack: str, faults: Sequence[str]) -> str:
    """The page of a stack file that cannot be read: its faults alone."""
    lines = [f"## Review of stack {code(stack)}: refused", "", "The stack file cannot be read:", ""]
    return "\n".join([*lines, *_bullets(map(_fault, faults))]) + "\n"


def _fault(fault: str) -> str:
    path, separator, text = fault.partition(": ")
    return f"{code(path)}: {prose(text)}" if separator else prose(fault)


def _head(review: Review) -> Iterator[str]:
    errors = sum(one.severity is Severity.ERROR for one in review.findings)
    waived = sum(one.waived is not None for one in review.findings)
    counted = [_count(errors, "error"), _count(len(review.findings) - errors - waived, "warning")]
    counted += [f"{waived} waived"] if waived else []
    yield f"## Review of stack {code(review.stack)}: {'refused' if review.refused else 'nothing refused'}"
    yield ""
    about = f"Environment {review.spec.environment}, {_count(len(review.spec.validators), 'validator')}"
    yield f"{about}. {', '.join(counted)}.{_compared(review)}"
    if review.encrypted:
        yield f"Encrypted, not looked at: {', '.join(code(path) for path in review.encrypted)}."
    if review.observed and review.observed.unanswered:
        yield f"Not looked up in the cluster: {prose(review.observed.unanswered)}."
    yield ""


def _compared(review: Review) -> str:
    base = review.base
    if base is None:
        return ""
    name = f"{code(base.name)} ({code(base.commit[:10])})"
    if base.spec is None:
        return f" Not compared with {name}: {prose(base.problem)}."
    return f" Compared with {name}."


def _changes(review: Review) -> Iterator[str]:
    if review.base is None or review.base.spec is None:
        return
    yield from ("### What changes", "")
    parts = stack_changes(review.base.spec, review.spec, review.change_findings, review.now)
    if not parts:
        yield from ("Nothing of what is backed up and kept.", "")
    for part in parts:
        yield from (f"**{part.title}**", "", *_bullets(part.lines), "")


def _preview(review: Review) -> Iterator[str]:
    preview = review.preview
    if preview is None:
        return
    counts = ", ".join(f"{count} to {operation}" for operation, count in preview.counts.items())
    yield from ("### What Pulumi will do", "", f"Resources: {counts or 'none changes'}.", "")
    failed = [f"**the preview failed**: {prose(message)}" for message in preview.failures]
    lines = [*(prose(line) for line in preview.recoveries), *failed]
    yield from (*_bullets(lines), "") if lines else ()


def _findings(review: Review) -> Iterator[str]:
    kinds = (
        ("Errors: these stop it", [one for one in review.findings if one.severity is Severity.ERROR]),
        ("Warnings", [one for one in review.findings if one.severity is not Severity.ERROR and not one.waived]),
        ("Waived, with the reason that the stack file gives", [one for one in review.findings if one.waived]),
    )
    yield from ("### Findings", "")
    if not review.findings:
        yield from ("None.", "")
    for title, found in kinds:
        if found:
            yield from (f"**{title}**", "", *_bullets(map(_finding, found)), "")


def _finding(found: Finding) -> str:
    whose = f" ({code(found.validator)})" if found.validator else ""
    head = f"**{found.id} {prose(found.rule.title)}**: {code(found.path)}{whose}: {prose(found.reason)}."
    if found.waived:
        return f"{head} Waived: {prose(found.waived)}"
    return f"{head} Way out: {prose(found.remedy)}. Source: {prose(found.rule.source)}."


def _overrides(review: Review) -> Iterator[str]:
    found = [f"{code(one.path)}: {code(one.value)} (default {code(one.default)})" for one in overrides(review.spec)]
    more = [f"and {len(found) - _MOST_ROWS} more"] if len(found) > _MOST_ROWS else []
    return _section(
        f"Set differently from the defaults of {review.spec.environment}", _bullets(found[:_MOST_ROWS] + more)
    )


def _cost(review: Review) -> Iterator[str]:
    rows, volumes, buckets = [], 0, 0
    for validator in review.spec.validators:
        volume, bucket = volume_bytes(validator), bucket_bytes(validator, review.now)
        present = review.observed.volumes.get(validator.name) if review.observed else None
        volumes += volume.size.bytes if volume else 0
        buckets += bucket.total.bytes if bucket else 0
        now = f"; in the cluster {grown(present, volume.size)}" if volume and present else ""
        deleted = f", {bucket.deleted} deleted ones still held" if bucket and bucket.deleted else ""
        rows.append(
            (
                code(validator.name),
                f"{volume.size.words} ({sizing(volume)}){now}" if volume else _snapshots(validator),
                f"{bucket.total.words} ({_count(bucket.sets, 'set')} of {bucket.per_set.words}{deleted})"
                if bucket
                else "none",
            )
        )
    total = ("**together**", f"**{Quantity(volumes).words}**", f"**{Quantity(buckets).words}**")
    yield from ("### Cost in bytes", "")
    yield from _table(("validator", "volume", "in the bucket, at most"), rows, total)
    yield from ("A set in the bucket is counted with a quarter of the databases' storage, as if they were full.", "")


def _snapshots(validator: ValidatorSpec) -> str:
    backup = validator.backup
    if backup is None or backup.snapshot is None:
        return "none"
    kept = kept_sets(backup.snapshot.retention, backup)
    return f"snapshots: {_count(kept, 'set')}, each of what changed in {validator.databases.storage.words}"


def _next_runs(review: Review) -> Iterator[str]:
    rows = [
        (code(validator.name), name, code(block.cron), _coming(block, review.now), recovery_point(block))
        for validator in review.spec.validators
        for name, block in schedules(validator)
    ]
    yield from ("### Next runs", "")
    yield from _table(("validator", "what", "schedule", "next run (UTC)", "recovery point"), rows)


def _coming(block: RunSchedule, now: datetime) -> str:
    if block.suspend:
        return "suspended"
    coming = block.schedule.next_run(now)
    return f"{coming.astimezone(UTC):%Y-%m-%d %H:%M}" if coming else "never"


def _section(title: str, lines: Iterable[str]) -> Iterator[str]:
    shown = list(lines)
    if shown:
        yield from (f"### {title}", "", *shown, "")


def _bullets(lines: Iterable[str]) -> Iterator[str]:
    return (f"- {line}" for line in lines)


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]], total: tuple[str, ...] = ()) -> Iterator[str]:
    yield _row(head)
    yield _row(tuple("---" for _ in head))
    yield from (_row(row) for row in rows[:_MOST_ROWS])
    if len(rows) > _MOST_ROWS:
        yield _row((f"and {len(rows) - _MOST_ROWS} more", *("" for _ in head[1:])))
    yield from (_row(total),) if total and len(rows) > 1 else ()
    yield ""


def _row(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"


def _count(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"
