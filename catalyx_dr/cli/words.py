"""The few words in which records are told on a terminal: short kinds, UTC times, sizes, states."""

from datetime import UTC, datetime

from rich.filesize import decimal

from catalyx_dr.model.record import Record, RecordKind


def short_kind(kind: RecordKind) -> str:
    """`set`, `dump`, `restore`, `import`: the last word of the kind."""
    return str(kind).rpartition("-")[2]


def utc(moment: datetime) -> str:
    """Minute in UTC."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M")


def size(count: int) -> str:
    """Bytes in a decimal unit; nothing when there are none to tell of."""
    return decimal(count, precision=1) if count else ""


def state(record: Record) -> str:
    """Status, or how far it is; a capture that was found damaged anywhere says so."""
    if record.damaged:
        return "damaged"
    return str(record.status) if record.finished else f"{record.percent} %"


def one_line(text: str) -> str:
    """A message as one line, however many lines it was written in."""
    return " ".join(text.split())
