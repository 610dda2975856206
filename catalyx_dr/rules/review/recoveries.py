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
from catalyx_dr.rules.recovery import RequestSight
from catalyx_dr.rules.review.stack_review import Review
from catalyx_dr.rules.review.words import code, length, listed, prose

_NOT_LOOKED_UP = RequestSight()
_MINUTE, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def recoveries(review: Review) -> Iterator[str]:
    """A line for each recovery that stands in the file, or that the version before asked for."""
    before = review.base.spec if review.base else None
    for name, words in (("restore", "restore"), ("identity_import", "identity import")):
        request: RecoveryRequest | None = getattr(review.spec, name)
        earlier: RecoveryRequest | None = getattr(before, name) if before else None
        sight = review.observed.requests.get(name, _NOT_LOOKED_UP) if review.observed else _NOT_LOOKED_UP
        if request is not None and sight.done:
            yield (
                f"{words} {code(request.request_id)} of {code(request.validator)} is done, with "
                f"{code(sight.capture or 'none')}; it runs once"
            )
        elif request is not None and earlier is not None and request.request_id == earlier.request_id:
            yield f"{words} {code(request.request_id)} of {code(request.validator)} stands since before; it runs once"
        elif request is not None:
            unknown = f"; **by its records {prose(sight.problem)}**{_looks_itself(request)}" if sight.problem else ""
            yield f"**{words.upper()} {code(request.request_id)}**: {_told(request, sight, review)}{unknown}"
        elif earlier is not None:
            yield f"{words} {code(earlier.request_id)} is no longer asked for; what it did stays"


def _looks_itself(request: RecoveryRequest) -> str:
    return f"; the Job looks in the {request.source} itself" if request.source in ("volume", "bucket") else ""


def _told(request: RecoveryRequest, sight: RequestSight, review: Review) -> str:
    stopped = listed([code(str(workload)) for workload in _workloads(request, review.spec)])
    if isinstance(request, RestoreRequest) and request.source == "snapshot":
        return (
            f"{_named(request.set, 'backup set', sight, review)} of {code(request.validator)} is restored into new "
            "claims and proven there; nothing is stopped until a person runs `catalyx-dr switch-claims`"
            f"{_overridden(request)}"
        )
    if isinstance(request, RestoreRequest):
        return (
            f"{code(request.validator)} goes back to {_named(request.set, 'backup set', sight, review)}, read from the "
            f"{request.source}; {stopped} are stopped while its databases are swapped, and what happened since then is "
            f"lost from them{_in_place(request)}{_overridden(request)}"
        )
    assert isinstance(request, IdentityImportRequest)  # noqa: S101 - for the type checker
    by_hand = "; the Job waits until a person has set the values" if request.apply == "print" else ""
    dump = _named(request.dump, "identity dump", sight, review)
    return (
        f"{code(request.validator)} comes back with {dump}, read from the {request.source}, as the new participant "
        f"{code(request.new_participant_identifier)}; {stopped} are stopped meanwhile{by_hand}{_overridden(request)}"
    )


def _in_place(request: RestoreRequest) -> str:
    return "; **the present databases are dropped first: THERE IS NO WAY BACK**" if request.in_place else ""


def _overridden(request: RecoveryRequest) -> str:
    told = [f"{code(one.verdict)} ({prose(one.reason)})" for one in request.overrides]
    return f"; refusals of the preflight that are overridden: {', '.join(told)}" if told else ""


def _workloads(request: RecoveryRequest, spec: EnvironmentSpec) -> tuple[object, ...]:
    return spec.validator(request.validator).workloads


def _named(selector: str, what: str, sight: RequestSight, review: Review) -> str:
    if is_capture_id(selector):
        return _taken(selector, what, review)
    if sight.capture is not None:
        return f"{_taken(sight.capture, what, review)}, the {_newest(selector, 'one')} at this moment"
    return f"the {_newest(selector, what)}"


def _newest(selector: str, what: str) -> str:
    newest, *before = selector.split(" ", 1)
    return " ".join([newest, what, *before])


def _taken(identifier: str, what: str, review: Review) -> str:
    taken = captured_at(identifier)
    age = review.now - taken
    old = f", {length(age - age % (_HOUR if age >= _DAY else _MINUTE))} old" if age >= _MINUTE else ""
    return f"the {what} {code(identifier)} (taken {taken:%Y-%m-%d %H:%M} UTC{old})"
