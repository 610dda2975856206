"""Which capture a recovery uses, and whether its age allows it (domain 1.1)."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from catalyx_dr.model.capture import Capture
from catalyx_dr.model.capture_id import is_capture_id
from catalyx_dr.model.duration import format_duration
from catalyx_dr.model.errors import RefusedError
from catalyx_dr.model.selector import LATEST, Selection
from catalyx_dr.rules.verdict import Verdict, passed, refusal, warning

# The sequencers prune what is older; a participant restored from before cannot catch up (domain 1.1).
USABLE_FOR = timedelta(days=30)
_WARN_FROM = timedelta(days=25)
_LISTED = 10


def choose(captures: Iterable[Capture], selector: str, *, kind: str = "backup set") -> Capture:
    """Capture that `selector` names: an id, or `latest` for the newest proven one (`latest before <moment>`).

    Raises RefusedError, which lists what there is, when there is none or it was never proven.
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
            raise RefusedError(f"there is no proven {kind}{when}; {_listing(ordered)}")
        return usable[0]
    if not is_capture_id(selector):
        raise RefusedError(
            f"{selector!r} names no {kind}; write latest or an id, or latest before a moment; {_listing(ordered)}"
        )
    named = [capture for capture in ordered if capture.identifier == selector]
    if not named:
        raise RefusedError(f"there is no {kind} {selector}; {_listing(ordered)}")
    if not named[0].proven:
        raise RefusedError(
            f"{kind} {selector} is not proven (its run failed, it is incomplete, or it was found damaged) and cannot "
            f"be used; {_listing(ordered)}"
        )
    return named[0]


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


def _listing(ordered: Sequence[Capture]) -> str:
    proven = [capture.identifier for capture in ordered if capture.proven]
    if not proven:
        return "no proven one is available"
    more = f" and {len(proven) - _LISTED} older" if len(proven) > _LISTED else ""
    return f"available: {', '.join(proven[:_LISTED])}{more}"
