"""Which capture a recovery uses, and whether its age allows it (domain 1.1)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from catalyx_dr.model.capture import Capture
from catalyx_dr.model.capture_id import is_capture_id
from catalyx_dr.model.duration import format_duration
from catalyx_dr.model.errors import RefusedError
from catalyx_dr.model.record import Record, RecordStatus
from catalyx_dr.model.selector import LATEST, Selection
from catalyx_dr.rules.verdict import Verdict, passed, refusal, warning

# The sequencers prune what is older; a participant restored from before cannot catch up (domain 1.1).
USABLE_FOR = timedelta(days=30)
_WARN_FROM = timedelta(days=25)
_LISTED = 10


def choose(captures: Iterable[Capture], selector: str, *, kind: str = "backup set", place: str = "") -> Capture:
    """Capture that `selector` names: an id, or `latest` for the newest proven one (`latest before <moment>`).

    Raises RefusedError, which lists what there is (at `place`), when there is none or it was never proven.
    """
    ordered = sorted(captures, key=lambda capture: (capture.taken, capture.identifier), reverse=True)
    try:
        selection = Selection.parse(selector)
    except ValueError as error:
        raise RefusedError(str(error)) from None
    before = selection.before
    if selection.named == LATEST:
        usable = [capture for capture in ordered if capture.proven and (before is None or capture.taken < before)]
        if not usable:
            when = f" taken before {before.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if before else ""
            raise RefusedError(f"there is no proven {kind}{when}; {_listing(ordered, place)}")
        return usable[0]
    if not is_capture_id(selector):
        raise RefusedError(
            f"{selector!r} names no {kind}; write latest or an id, or latest before a moment; "
            f"{_listing(ordered, place)}"
        )
    named = [capture for capture in ordered if capture.identifier == selector]
    if not named:
        raise RefusedError(f"there is no {kind} {selector}; {_listing(ordered, place)}")
    if not named[0].proven:
        why = named[0].stranger or "its run failed, it is incomplete, or it was found damaged"
        raise RefusedError(f"{kind} {selector} is not proven ({why}) and cannot be used; {_listing(ordered, place)}")
    return named[0]


def recorded_captures(records: Iterable[Record], place: str) -> list[Capture]:
    """Captures at `place` as their records tell; those whose runs did not end well are unproven ones."""
    return [
        Capture.named(record.identifier, proven=record.is_sound_in(place), size=record.bytes)
        for record in records
        if is_capture_id(record.identifier)
        and (place in record.locations or record.status is not RecordStatus.COMPLETED)
    ]


@dataclass(frozen=True)
class RequestSight:
    """What records tell of a requested recovery: the `capture` that it uses, whether it is `done`, or the `problem`."""

    capture: str | None = None
    done: bool = False
    problem: str = ""


def request_sight(
    selector: str, place: str, kind: str, captures: Iterable[Record], earlier: Record | None, detail: str
) -> RequestSight:
    """Look at the records of captures and at that of the request itself, which names its capture under `detail`."""
    used = earlier.details.get(detail) if earlier else None
    if isinstance(used, str):
        return RequestSight(used, earlier is not None and earlier.status is RecordStatus.COMPLETED)
    try:
        return RequestSight(choose(recorded_captures(captures, place), selector, kind=kind).identifier)
    except RefusedError as error:
        return RequestSight(problem=str(error))


def age_verdict(taken: datetime, now: datetime) -> Verdict:
    """Judge the age of a backup set against the 30 days after which its participant could not catch up."""
    name, age = "set-age", now - taken
    if age < timedelta():
        return warning(name, "taken in the future", "compare the clocks of the cluster and of this machine")
    text = f"{format_duration(timedelta(seconds=int(age.total_seconds())))} old"
    if age > USABLE_FOR:
        return refusal(
            name,
            f"{text}; sequencers keep {USABLE_FOR.days} days",
            "use a younger set, or bring the validator back from an identity dump (identityImport)",
        )
    if age > _WARN_FROM:
        end = (taken + USABLE_FOR).astimezone(UTC)
        return warning(name, f"{text}, usable until {end:%Y-%m-%d %H:%M} UTC", "restore it before that moment")
    return passed(name, text)


def _listing(ordered: Sequence[Capture], place: str) -> str:
    proven = [capture.identifier for capture in ordered if capture.proven]
    if not proven:
        strangers = [f"{capture.identifier}: {capture.stranger}" for capture in ordered if capture.stranger]
        return "; ".join([f"no proven one is available {place}".rstrip(), *strangers[:_LISTED]])
    more = f" and {len(proven) - _LISTED} older" if len(proven) > _LISTED else ""
    return f"available: {', '.join(proven[:_LISTED])}{more}"
