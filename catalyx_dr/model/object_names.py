"""Names and labels of everything that belongs to one validator; the commands of the agent know the same names."""

import hashlib
from dataclasses import dataclass

from catalyx_dr.model.record import RecordKind
from catalyx_dr.model.validator_spec import ValidatorSpec


@dataclass(frozen=True)
class ObjectNames:
    """Names in the namespace of one validator; all are explicit, so that people and RBAC can rely on them."""

    validator: str
    namespace: str

    @classmethod
    def of(cls, spec: ValidatorSpec) -> "ObjectNames":
        """Names for a specification."""
        return cls(spec.name, spec.namespace)

    @property
    def spec_config_map(self) -> str:
        """ConfigMap with the specification as the jobs read it."""
        return f"catalyx-dr-{self.validator}"

    @property
    def volume_claim(self) -> str:
        """Claim that holds the backup sets."""
        return f"{self.validator}-backups"

    @property
    def backup(self) -> str:
        """CronJob, service account and role of scheduled backups."""
        return f"{self.validator}-backup"

    @property
    def identity_dump(self) -> str:
        """CronJob, service account and role of scheduled identity dumps."""
        return f"{self.validator}-identity-dump"

    @property
    def verification(self) -> str:
        """CronJob, service account and role of scheduled verifications."""
        return f"{self.validator}-verify"

    @property
    def drill(self) -> str:
        """CronJob, service account and role of scheduled restore drills."""
        return f"{self.validator}-drill"

    @property
    def scheduled(self) -> dict[RecordKind, str]:
        """CronJobs, by what their runs record."""
        return {
            RecordKind.BACKUP_SET: self.backup,
            RecordKind.IDENTITY_DUMP: self.identity_dump,
            RecordKind.VERIFICATION: self.verification,
            RecordKind.DRILL: self.drill,
        }

    @property
    def recovery(self) -> str:
        """Service account and role of restores and identity imports."""
        return f"{self.validator}-recovery"

    def identity_dump_secret(self, dump_id: str) -> str:
        """Secret that holds one identity dump."""
        return f"{self.validator}-identities-{dump_id}"

    def snapshot(self, set_id: str, part: str) -> str:
        """VolumeSnapshot of a set; `part` tells what it holds."""
        return f"{self.validator}-{set_id}-{part}"

    def restored(self, request_id: str, part: str) -> str:
        """Claim and pod of a restore from snapshots, for each part of the set."""
        return self.job(f"restored-{part}", request_id)

    def drilled(self, part: str) -> str:
        """Claim and pod of a drill from snapshots: always the same, so that the next drill finds what one left."""
        return f"{self.validator}-drill-{part}"

    def job(self, operation: str, request_id: str) -> str:
        """Job of one request: the same request has the same name, so that an interrupted `pulumi up` finds its Job."""
        return f"{self.validator}-{operation}-{hashlib.sha256(request_id.encode()).hexdigest()[:8]}"
