"""One validator as the stack file declares it and as the scheduled jobs read it."""

from datetime import timedelta
from typing import Annotated

from pydantic import Field, StringConstraints, model_validator

from catalyx_dr.model.age_recipient import AgeRecipient
from catalyx_dr.model.api_access import ValidatorApi
from catalyx_dr.model.backup import DatabaseBackup
from catalyx_dr.model.databases import DatabaseRole, Databases
from catalyx_dr.model.duration import Duration, PositiveDuration
from catalyx_dr.model.proofs import Drill, Verification
from catalyx_dr.model.retention import Retention
from catalyx_dr.model.run_schedule import CaptureSchedule
from catalyx_dr.model.spec import Flag, KubernetesName, LabelKey, LabelValue, SecretKey, Spec, WholeNumber
from catalyx_dr.model.target import Target, Workload

# Splice's own pattern (domain 1.5).
PartyHint = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9_]+-[a-zA-Z0-9_]+-[0-9]+$")]
# The middle of a participant's id: PAR::identifier::1220...
ParticipantIdentifier = Annotated[
    str, StringConstraints(pattern=r"^[a-zA-Z0-9_-]([a-zA-Z0-9_ -]|:[a-zA-Z0-9_-])*$", max_length=185)
]


class IdentityDumps(CaptureSchedule):
    """Scheduled identity dumps: Secrets in the namespace, and encrypted copies in the backup bucket."""

    retention: Retention
    bucket_retention: Retention | None = Field(default=None, description="Absent means the same as in the cluster")


class Alerts(Spec):
    """Who is told when a scheduled run fails or a recovery point is missed; Kubernetes Events are written anyway."""

    webhook: SecretKey | None = Field(
        default=None, description="Secret with the URL that failures are posted to as JSON; its `text` is for people"
    )
    prometheus_rule: Flag = Field(
        default=False, description="Also declare a PrometheusRule, which notices that nothing runs at all"
    )
    prometheus_labels: dict[LabelKey, LabelValue] = Field(
        default_factory=dict,
        description="Labels by which your Prometheus selects rules, for example release: prometheus",
    )


class Encryption(Spec):
    """age recipients; everything that leaves the cluster is encrypted to all of them."""

    recipients: tuple[AgeRecipient, ...] = Field(min_length=1)


class ValidatorSpec(Spec):
    """The whole of one validator."""

    name: Annotated[KubernetesName, StringConstraints(max_length=30)]
    namespace: KubernetesName
    party_hint: PartyHint
    node_identifier: ParticipantIdentifier
    migration_id: WholeNumber = Field(default=0, ge=0)
    databases: Databases
    api: ValidatorApi = ValidatorApi()
    workloads: tuple[Workload, ...] = Field(
        default=(Workload(name="validator-app"), Workload(name="participant")),
        description="Everything that uses the databases, in the order in which it is started",
    )
    target: Target
    backup: DatabaseBackup | None = None
    identity_dump: IdentityDumps | None = None
    verification: Verification | None = None
    drill: Drill | None = None
    alerts: Alerts | None = None
    encryption: Encryption | None = None
    participant_pruning_retention: PositiveDuration | None = None
    onboarding_secret: SecretKey = Field(
        default=SecretKey(name="splice-app-validator-onboarding-validator", key="secret"),
        description="Secret without which the validator's pod does not start; an import only looks whether it is there",
    )
    external_kms: Flag = Field(default=False, description="The participant's keys are held by an external KMS")
    service_account_annotations: dict[LabelKey, str] = Field(default_factory=dict)
    replaced_databases_keep: Duration = Field(
        default=timedelta(days=7), description="How long a restore keeps the databases it replaced"
    )

    @model_validator(mode="after")
    def _snapshots_have_volumes(self) -> "ValidatorSpec":
        if self.backup is not None and self.backup.method == "snapshot":
            for role in DatabaseRole:
                if self.databases.server_of(role).volume is None:
                    raise ValueError(
                        f"backup.method snapshot needs to know where the {role} database is kept; give the volume of "
                        "databases.server, with claim and statefulSet"
                    )
        return self

    @model_validator(mode="after")
    def _workloads_differ(self) -> "ValidatorSpec":
        for place, workload in enumerate(self.workloads):
            if workload in self.workloads[:place]:
                raise ValueError(f"workloads[{place}] is {workload} once more; name each workload once")
        return self

    @property
    def recipients(self) -> tuple[str, ...]:
        """Age recipients of everything that leaves the cluster; none when nothing does."""
        return self.encryption.recipients if self.encryption else ()

    @property
    def object_prefix(self) -> str:
        """Key prefix of everything this validator has in its bucket, ending in a slash."""
        bucket = self.backup.bucket if self.backup else None
        return f"{bucket.prefix if bucket else ''}{self.name}/"
