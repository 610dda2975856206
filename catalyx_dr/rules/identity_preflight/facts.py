"""What was looked up before an identity import."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from catalyx_dr.model.identity_dump import IdentityDump, IdentityDumpMetadata
from catalyx_dr.model.validator_spec import ValidatorSpec


@dataclass(frozen=True)
class TargetFacts:
    """Where the values go. `resource`: whether the vendor's resource is there; None for another flavour or unseen."""

    apply: str
    resource: bool | None = None


@dataclass(frozen=True)
class ImportFacts:
    """What was looked up, read-only; None where it was not: a preview opens no dump and asks no Keycloak.

    `moved_to`: participant that has the party, as the request says; `hosted_by`: as Scan says.

    `used_identifiers`: each with where it was found; `latest_participant_id`: of the newest proven dump or import;
    `unproven_imports`: participants as which the validator was started since the dump, without being proven.
    """

    spec: ValidatorSpec
    new_identifier: str
    metadata: IdentityDumpMetadata | None
    used_identifiers: Mapping[str, str]
    latest_participant_id: str | None
    unproven_imports: tuple[str, ...]
    target: TargetFacts
    now: datetime
    content: bytes | None = field(default=None, repr=False)
    dump: IdentityDump | None = None
    present_participant_id: str | None = None
    missing_workloads: tuple[str, ...] | None = None
    database_obstacles: tuple[str, ...] | None = None
    denied: tuple[str, ...] | None = None
    answers_now: bool | None = None
    login_faults: Mapping[str, str] | None = None
    onboarding_secret: bool | None = None
    moved_to: str | None = None
    hosted_by: str | None = None

    @property
    def participant_id(self) -> str | None:
        """Participant that the dump is of."""
        if self.dump is not None:
            return self.dump.id
        return self.metadata.participant_id if self.metadata else None
