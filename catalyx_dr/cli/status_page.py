"""The page that `catalyx-dr status` shows of one validator; fits 80 columns."""

from collections.abc import Iterator
from datetime import datetime

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from catalyx_dr.cli.words import one_line, short_kind, size, utc
from catalyx_dr.model.duration import format_age, format_duration
from catalyx_dr.model.record import EXPECTED_BYTES, Record, RecordKind, RecordStatus
from catalyx_dr.rules.schedule_facts import ScheduleFacts
from catalyx_dr.rules.validator_status import (
    FailureStatus,
    HalfStatus,
    ProofStatus,
    RunningStatus,
    ValidatorStatus,
)

_NAMES = {RecordKind.BACKUP_SET: "backup set", RecordKind.IDENTITY_DUMP: "identity dump"}
_STYLES = {"ok": "green", "MISSED": "bold red", "failed": "red", "damaged": "red", "running": "cyan"}
_Line = tuple[str, str, str]


def status_page(found: ValidatorStatus) -> RenderableType:
    """Heading, and a line for each thing that has to be known."""
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for label, state, text in _lines(found):
        table.add_row(label, Text(state, style=_STYLES.get(state, "")), Text(text))
    heading = f"{found.validator} in namespace {found.namespace}, {utc(found.now)} UTC"
    return Group(Text(heading, style="bold"), table)


def _lines(found: ValidatorStatus) -> Iterator[_Line]:
    for half in found.halves:
        yield from _half(half)
    for proof in found.proofs:
        yield from _proof(found, proof)
    for running in found.running:
        yield _running(running)
    for failure in found.failures:
        yield _failure(failure)
    for fault in found.damaged_records:
        yield "record", "damaged", one_line(fault)


def _half(half: HalfStatus) -> Iterator[_Line]:
    state = "MISSED" if half.missed else "ok" if half.newest else "none"
    yield _NAMES.get(half.kind, str(half.kind)), state, f"{_newest(half)} ({_promise(half)})"
    yield "", "", _next_runs(half.schedule, half.next_runs)


def _newest(half: HalfStatus) -> str:
    if half.newest is None or half.age is None:
        return "no proven one yet" if half.schedule else "no proven one"
    told = (f"{format_age(half.age)} old", size(half.newest.bytes), f"in {' and '.join(half.newest.locations)}")
    return ", ".join([half.newest.identifier, *filter(None, told)])


def _promise(half: HalfStatus) -> str:
    return f"promised: {format_duration(half.promised)}" if half.promised else "nothing is promised"


def _proof(found: ValidatorStatus, proof: ProofStatus) -> Iterator[_Line]:
    newest = proof.newest
    if newest is None:
        yield str(proof.kind), "none", "not done yet"
    elif newest.status is RecordStatus.COMPLETED:
        yield str(proof.kind), "ok", f"{format_age(found.now - newest.started)} ago: {one_line(newest.message)}"
    else:
        yield str(proof.kind), "failed", f"{format_age(found.now - newest.started)} ago; see below"
    yield "", "", _next_runs(proof.schedule, proof.next_runs)


def _next_runs(schedule: ScheduleFacts | None, runs: tuple[datetime, ...]) -> str:
    if schedule is None:
        return "not scheduled"
    if schedule.suspended:
        return f"suspended: CronJob {schedule.name} starts nothing"
    return f"next runs: {', '.join(map(utc, runs))} UTC" if runs else f"never runs: {schedule.cron!r}"


def _running(running: RunningStatus) -> _Line:
    record = running.record
    told = [f"{_named(record)}: {record.percent} % {record.phase}", f"{format_age(running.so_far)} so far"]
    if record.bytes:
        expected = record.details.get(EXPECTED_BYTES)
        told.append(size(record.bytes) + (f" of about {size(expected)}" if isinstance(expected, int) else ""))
    if running.overdue:
        told.append("beyond its deadline: it was ended without a word")
    elif running.expected_end is not None:
        told.append(f"expected end {utc(running.expected_end)} UTC")
    return "", "running", ", ".join(told)


def _failure(failure: FailureStatus) -> _Line:
    record = failure.record
    mended = "; succeeded since" if failure.mended else ""
    text = f"{_named(record)}, {format_age(failure.ago)} ago, in phase {record.phase!r}{mended}: "
    return "", "failed", text + one_line(record.message)


def _named(record: Record) -> str:
    return f"{short_kind(record.kind)} {record.identifier}"
