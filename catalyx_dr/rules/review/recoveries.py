"""Recoveries that a stack file asks for, told to the person who approves them."""

from collections.abc import Iterator
from datetime import timedelta

from catalyx_dr.model.capture_id import captured_at, is_capture_id
from catalyx_dr.model.environment_spec import (
    EnvironmentSpec,
    IdentityImportRequest,
    RecoveryRequest,
    RestoreRequest,
)
from catalyx_dr.rules.review.stack_review import Review
from catalyx_dr.rules.review.words import code, length, listed, prose

_MINUTE, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def recoveries(review: Review) -> Iterator[str]:
    """A line for each recovery that stands in the file, or that the version before asked for."""
    before = review.base.spec if review.base else None
    for name, words in (("restore", "restore"), ("identity_import", "identity import")):
        request: RecoveryRequest | None = getattr(review.spec, name)
        earlier: RecoveryRequest | None = getattr(before, name) if before else None
        if request is not None and earlier is not None and request.request_id == earlier.request_id:
            yield f"{words} {code(request.request_id)} of {code(request.validator)} stands since before; it runs once"
        elif request is not None:
            yield f"**{words.upper()} {code(request.request_id)}**: {_told(request, review)}"
        elif earlier is not None:
            yield f"{words} {code(earlier.request_id)} is no longer asked for; what it did stays"


def _told(request: RecoveryRequest, review: Review) -> str:
    stopped = listed([code(str(workload)) for workload in _workloads(request, review.spec)])
    if isinstance(request, RestoreRequest):
        return (
            f"{code(request.validator)} goes back to {_named(request.set, 'backup set', review)}, read from the "
            f"{request.source}; {stopped} are stopped while its databases are swapped, and what happened since then is "
            f"lost from them{_in_place(request)}{_overridden(request)}"
        )
    assert isinstance(request, IdentityImportRequest)  # noqa: S101 - for the type checker
    by_hand = "; the Job waits until a person has set the values" if request.apply == "print" else ""
    return (
        f"{code(request.validator)} comes back with {_named(request.dump, 'identity dump', review)}, read from the "
        f"{request.source}, as the new participant {code(request.new_participant_identifier)}; {stopped} are stopped "
        f"meanwhile{by_hand}{_overridden(request)}"
    )


def _in_place(request: RestoreRequest) -> str:
    return "; **the present databases are dropped first: THERE IS NO WAY BACK**" if request.in_place else ""


def _overridden(request: RecoveryRequest) -> str:
    told = [f"{code(one.verdict)} ({prose(one.reason)})" for one in request.overrides]
    return f"; refusals of the preflight that are overridden: {', '.join(told)}" if told else ""


def _workloads(request: RecoveryRequest, spec: EnvironmentSpec) -> tuple[object, ...]:
    return spec.validator(request.validator).workloads


def _named(selector: str, what: str, review: Review) -> str:
    if not is_capture_id(selector):
        return f"the {selector} {what}"
    taken = captured_at(selector)
    age = review.now - taken
    old = f", {length(age - age % (_HOUR if age >= _DAY else _MINUTE))} old" if age >= _MINUTE else ""
    return f"the {what} {code(selector)} (taken {taken:%Y-%m-%d %H:%M} UTC{old})"
