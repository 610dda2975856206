"""What `pulumi preview --json` says, in the words of backup and recovery; values of resources are never read."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from catalyx_dr.model.environment_spec import EnvironmentSpec
from catalyx_dr.rules.policy.finding import Finding, Found, Severity
from catalyx_dr.rules.policy.registry import findings_of

_VALIDATOR_LABEL = "catalyx-dr/validator"
_REPLACES = ("replace", "create-replacement", "delete-replaced")
_COUNTED = ("create", "update", "replace", "delete", "import", "refresh")
_CLAIM = "kubernetes:core/v1:PersistentVolumeClaim"
_SCHEDULE = "kubernetes:batch/v1:CronJob"
_BUCKETS = ("aws:s3/bucket:Bucket", "aws:s3/bucketV2:BucketV2")
_LOCKS = ("aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration",)
_RECOVERIES = {":DatabaseRestore": "a restore", ":IdentityImport": "an identity import"}
_REMEDY = "change the stack file so that it stays, or waive this with the reason"


@dataclass(frozen=True)
class EnginePreview:
    """`counts`: resources by what happens to them; `failures`: why the preview itself did not succeed."""

    counts: Mapping[str, int]
    recoveries: tuple[str, ...]
    findings: tuple[Finding, ...]
    failures: tuple[str, ...]


@dataclass(frozen=True)
class _Step:
    operation: str
    type: str
    name: str
    validator: str | None
    causes: tuple[str, ...]
    retained: bool
    protected: bool

    @property
    def replaces(self) -> bool:
        return self.operation in _REPLACES

    @property
    def destroys(self) -> bool:
        return self.replaces or self.operation == "delete"

    @property
    def because(self) -> str:
        return f" ({', '.join(self.causes)})" if self.causes else ""


def read_preview(document: Mapping[str, Any], spec: EnvironmentSpec) -> EnginePreview:
    """Read the engine's document; waivers of `spec` apply to what is found in it."""
    steps = list(_steps(document))
    found = [one for step in steps if step.destroys for one in _losses(step)]
    runs = [
        f"{words} of {step.validator or step.name} runs"
        for step in steps
        for kind, words in _RECOVERIES.items()
        if step.type.endswith(kind) and step.operation in ("create", *_REPLACES)
    ]
    return EnginePreview(
        counts={word: count for word, count in _counted(steps).items() if count},
        recoveries=tuple(dict.fromkeys(runs)),
        findings=findings_of(dict.fromkeys(found), spec),
        failures=tuple(dict.fromkeys(_failures(document))),
    )


def _steps(document: Mapping[str, Any]) -> Iterator[_Step]:
    for step in document.get("steps") or ():
        old = step.get("oldState") or {}
        state = old or step.get("newState") or {}
        yield _Step(
            operation=str(step.get("op")),
            type=str(state.get("type", "")),
            name=str(step.get("urn", "")).rpartition("::")[2],
            validator=_validator(state),
            causes=tuple(map(str, step.get("replaceReasons") or ())),
            retained=bool(old.get("retainOnDelete")),
            protected=bool(old.get("protect")),
        )


def _failures(document: Mapping[str, Any]) -> Iterator[str]:
    """First lines of the engine's errors; its last one only says that there were some."""
    for one in document.get("diagnostics") or ():
        lines = str(one.get("message", "")).removeprefix("error: ").strip().splitlines()
        if one.get("severity") == "error" and lines and lines != ["preview failed"]:
            yield lines[0] + (f" (and {len(lines) - 1} more lines)" if len(lines) > 1 else "")


def _validator(state: Mapping[str, Any]) -> str | None:
    inputs = state.get("inputs") or {}
    metadata = inputs.get("metadata")
    found = (metadata.get("labels") or {}).get(_VALIDATOR_LABEL) if isinstance(metadata, Mapping) else None
    return found or (inputs["validator"] if isinstance(inputs.get("validator"), str) else None)


def _counted(steps: list[_Step]) -> Mapping[str, int]:
    seen = {(step.type, step.name): "replace" if step.replaces else step.operation for step in steps}
    counts = Counter(seen.values())
    return {operation: counts[operation] for operation in _COUNTED}


def _losses(step: _Step) -> Iterator[tuple[str, Found]]:
    rule, reason = _loss(step)
    if rule:
        yield rule, Found(Severity.ERROR, f"preview of {step.name}", step.validator, reason, _REMEDY)


def _loss(step: _Step) -> tuple[str, str]:
    if step.type == _CLAIM and step.replaces:
        return "DR080", f"REPLACES the backup volume {step.name!r}{step.because}: data loss"
    if step.type == _CLAIM and step.retained:
        return "DR080", f"LEAVES the backup volume {step.name!r} behind: the claim stays, but nothing uses its sets"
    if step.type == _CLAIM:
        return "DR080", f"DELETES the backup volume {step.name!r}: data loss"
    if step.type in _BUCKETS:
        what = "REPLACES" if step.replaces else "LEAVES" if step.retained else "DELETES"
        behind = " behind" if what == "LEAVES" else ""
        return "DR081", f"{what} the bucket {step.name!r}{behind}{step.because}: no recovery finds what is in it"
    if step.type in _LOCKS and not step.replaces:
        return "DR081", f"the object lock of the bucket {step.name!r} is no longer managed"
    if step.type == _SCHEDULE and not step.replaces:
        return "DR082", f"DELETES the schedule {step.name!r}: nothing is captured by it any more"
    if step.protected:
        return "DR082", f"{'REPLACES' if step.replaces else 'DELETES'} the protected {step.type} {step.name!r}"
    return "", ""
