"""A whole stack: environment, validators, and the recoveries that are asked for."""

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from catalyx_dr.model.selector import Selector, SetSelector
from catalyx_dr.model.spec import Flag, ImageReference, KubernetesName, Reason, SecretKey, Spec
from catalyx_dr.model.validator_spec import ValidatorSpec

FindingId = Annotated[str, StringConstraints(pattern=r"^DR[0-9]{3}$")]
RequestId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=40)]


class Environment(StrEnum):
    """Kind of environment; it chooses defaults, and every value can be set (vendor guide, Best Practices)."""

    DEVELOPMENT = "development"
    STAGING = "staging"
    PRODUCTION = "production"
    CRITICAL = "critical"


class AgentImage(Spec):
    """Image that scheduled jobs and recoveries run."""

    image: ImageReference
    pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"


class VerdictOverride(Spec):
    """A refusal of the preflight that a person takes upon himself, by its name and with a reason for the record."""

    verdict: str = Field(pattern=r"^[a-z]+(-[a-z]+)*$")
    reason: Reason

    def __str__(self) -> str:
        return f"{self.verdict}={self.reason}"


class RecoveryRequest(Spec):
    """A recovery asked for by a reviewed change; the same request id never runs twice."""

    validator: KubernetesName
    request_id: RequestId
    source: Literal["volume", "bucket", "snapshot", "cluster"]
    age_identity: SecretKey | None = Field(
        default=None, description="Secret with the private age identity; needed only to read from the bucket"
    )
    overrides: tuple[VerdictOverride, ...] = Field(
        default=(), description="Refusals of the preflight that are overridden; some never can be"
    )

    @model_validator(mode="after")
    def _identity_for_bucket(self) -> Self:
        if self.source == "bucket" and self.age_identity is None:
            raise ValueError("ageIdentity is required to read from the bucket; name the Secret and key that hold it")
        return self

    @model_validator(mode="after")
    def _one_reason_each(self) -> Self:
        names = [override.verdict for override in self.overrides]
        for place, name in enumerate(names):
            if name in names[:place]:
                raise ValueError(f"overrides[{place}].verdict is {name!r} once more; give one reason for each verdict")
        return self


class RestoreRequest(RecoveryRequest):
    """Restore the databases of a validator from a backup set."""

    source: Literal["volume", "bucket", "snapshot"] = "volume"
    set: SetSelector = Field(description="An id, latest, or latest before a moment: latest before 2026-11-24T06:00:00Z")
    in_place: Flag = Field(
        default=False,
        description="Drop the present databases first, where there is no room for both copies; there is no way back",
    )

    @model_validator(mode="after")
    def _snapshots_replace_nothing(self) -> Self:
        if self.source == "snapshot" and self.in_place:
            raise ValueError("inPlace is not for source snapshot, which is restored into new claims; leave inPlace out")
        return self


class IdentityImportRequest(RecoveryRequest):
    """Bring a validator back under its party with a new participant, from an identity dump (domain 1.4)."""

    source: Literal["cluster", "bucket"] = "cluster"
    dump: Selector
    new_participant_identifier: str = Field(pattern=r"^[a-zA-Z0-9_-]+$", max_length=185)
    moved_to: str | None = Field(
        default=None,
        pattern=r"^PAR::[^:]+::1220[0-9a-f]{64}$",
        description="Participant that has the party since an import that failed moved it; the dump gets its id",
    )
    apply: Literal["workload", "custom-resource", "print"] = Field(
        default="workload",
        description="workload: set on the validator's workload as its chart renders it; custom-resource: patch the "
        "vendor's resource; print, and with the vendor's resource workload too: only output the values, and wait",
    )


class Waiver(Spec):
    """A policy finding lowered to a warning, with the reason that the review shows."""

    finding: FindingId
    validator: KubernetesName | None = Field(default=None, description="Absent: wherever the finding appears")
    reason: Reason


class EnvironmentSpec(Spec):
    """The stack file after the environment's defaults are filled in."""

    environment: Environment
    agent: AgentImage
    validators: tuple[ValidatorSpec, ...] = Field(min_length=1)
    restore: RestoreRequest | None = None
    identity_import: IdentityImportRequest | None = None
    waivers: tuple[Waiver, ...] = ()
    raised: tuple[FindingId, ...] = Field(default=(), description="Warnings that are errors in this stack")

    @model_validator(mode="after")
    def _names_fit(self) -> "EnvironmentSpec":
        names = [validator.name for validator in self.validators]
        for place, name in enumerate(names):
            if name in names[:place]:
                first = names.index(name)
                raise ValueError(
                    f"validators[{place}].name: found {name!r}, the name of validators[{first}]; allowed: one that no "
                    "other validator of the stack has"
                )
        for field, request in (("restore", self.restore), ("identityImport", self.identity_import)):
            if request is not None and request.validator not in names:
                raise ValueError(f"{field}.validator: found {request.validator!r}; allowed: {', '.join(sorted(names))}")
        for place, waiver in enumerate(self.waivers):
            if waiver.validator is not None and waiver.validator not in names:
                raise ValueError(
                    f"waivers[{place}].validator: found {waiver.validator!r}; allowed: {', '.join(sorted(names))}"
                )
        return self

    @model_validator(mode="after")
    def _import_fits_its_target(self) -> "EnvironmentSpec":
        request = self.identity_import
        if request is not None and request.apply == "custom-resource":
            kind = self.validator(request.validator).target.kind
            if kind != "custom-resource":
                raise ValueError(
                    f"identityImport.apply: found 'custom-resource', but the target of {request.validator!r} is "
                    f"{kind}; allowed: workload, print"
                )
        return self

    def validator(self, name: str) -> ValidatorSpec:
        """Validator of that name; raises KeyError."""
        return {spec.name: spec for spec in self.validators}[name]
