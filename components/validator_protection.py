"""The whole of one validator: specification, permissions, volume, bucket and schedules."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pulumi
from pulumi_kubernetes.core.v1 import ConfigMap

from catalyx_dr.adapters.agent_pod import SPEC_FILE
from catalyx_dr.model.environment_spec import AgentImage
from catalyx_dr.model.object_names import ObjectNames
from catalyx_dr.model.quantity import Quantity
from catalyx_dr.model.run_schedule import RunSchedule
from catalyx_dr.model.validator_spec import ValidatorSpec
from catalyx_dr.rules.sizing import backup_volume_size
from components import permissions
from components.backup_bucket import BackupBucket, BackupBucketArgs
from components.backup_schedule import BackupSchedule, BackupScheduleArgs
from components.backup_volume import BackupVolume, BackupVolumeArgs
from components.drill_schedule import DrillSchedule, DrillScheduleArgs
from components.identity_dump_schedule import IdentityDumpSchedule, IdentityDumpScheduleArgs
from components.object_metadata import metadata_of
from components.recovery_alerts import RecoveryAlerts, RecoveryAlertsArgs
from components.verification_schedule import VerificationSchedule, VerificationScheduleArgs


@dataclass(frozen=True)
class ValidatorProtectionArgs:
    """`bucket`: the one at AWS, which validators share; a bucket at another store each validator makes itself.

    `present_volume` is the claim's size in the cluster; `now` (with a time zone) only serves to tell the next runs.
    `warnings` and `notes` are for the person who reads the preview.
    """

    validator: ValidatorSpec
    agent: AgentImage
    protect: bool
    now: datetime
    bucket: BackupBucket | None = None
    present_volume: Quantity | None = None
    warnings: Sequence[str] = ()
    notes: Sequence[str] = ()


class ValidatorProtection(pulumi.ComponentResource):
    """Everything that protects a validator. A recovery depends on it; `pulumi destroy` leaves its backups."""

    def __init__(self, name: str, args: ValidatorProtectionArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("catalyx-dr:protection:ValidatorProtection", name, None, opts)
        self._args = args
        self._spec = args.validator
        self._names = ObjectNames.of(args.validator)
        for warning in args.warnings:
            pulumi.log.warn(warning, resource=self)
        for note in args.notes:
            pulumi.log.info(note, resource=self)
        self.specification = self._declare_spec()
        self._requires: list[pulumi.Resource] = [self.specification]
        self._bucket = args.bucket
        self._volume: BackupVolume | None = None
        self._declare_recovery()
        self._declare_backup()
        self._declare_identity_dump()
        self._declare_verification()
        self._declare_drill()
        if self._spec.alerts is not None and self._spec.alerts.prometheus_rule:
            RecoveryAlerts(
                f"{self._spec.name}-alerts",
                RecoveryAlertsArgs(self._spec, self._spec.alerts, args.now),
                pulumi.ResourceOptions(parent=self),
            )
        self.summary = summary_of(args)
        self.register_outputs(self.summary)

    def _declare_spec(self) -> ConfigMap:
        return ConfigMap(
            self._names.spec_config_map,
            metadata=metadata_of(self._names, self._names.spec_config_map),
            data={SPEC_FILE: self._spec.model_dump_json(by_alias=True, exclude_none=True, indent=2)},
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _declare_recovery(self) -> None:
        permissions.service_account(self._spec, self._names.recovery, permissions.recovery_rules(self._spec), self)

    def _declare_backup(self) -> None:
        backup = self._spec.backup
        if backup is None:
            return
        account = permissions.service_account(
            self._spec, self._names.backup, permissions.backup_rules(self._spec), self
        )
        requires = [*self._requires, *account]
        if backup.bucket is not None and backup.bucket.provider != "existing":
            self._bucket = self._bucket or BackupBucket(
                f"{self._spec.name}-bucket",
                BackupBucketArgs(backup.bucket, self._args.protect, self._spec, self._args.agent, [*requires]),
                pulumi.ResourceOptions(parent=self),
            )
            requires.append(self._bucket)
        if backup.volume is not None:
            volume = BackupVolumeArgs(self._spec, backup, backup.volume, self._args.protect, self._args.present_volume)
            self._volume = BackupVolume(self._names.volume_claim, volume, pulumi.ResourceOptions(parent=self))
            requires.append(self._volume)
        BackupSchedule(
            self._names.backup,
            BackupScheduleArgs(self._spec, backup, self._args.agent, requires),
            pulumi.ResourceOptions(parent=self),
        )

    @property
    def _places(self) -> list[pulumi.Resource]:
        """Where captures are kept, as far as it is declared here."""
        return [place for place in (self._volume, self._bucket) if place is not None]

    def _declare_identity_dump(self) -> None:
        dumps = self._spec.identity_dump
        if dumps is None:
            return
        account = permissions.service_account(
            self._spec, self._names.identity_dump, permissions.identity_dump_rules(self._spec), self
        )
        at_store = [self._bucket] if self._bucket else []
        IdentityDumpSchedule(
            self._names.identity_dump,
            IdentityDumpScheduleArgs(self._spec, dumps, self._args.agent, [*self._requires, *account, *at_store]),
            pulumi.ResourceOptions(parent=self),
        )

    def _declare_verification(self) -> None:
        verification = self._spec.verification
        if verification is None:
            return
        account = permissions.service_account(
            self._spec, self._names.verification, permissions.verification_rules(self._spec), self
        )
        VerificationSchedule(
            self._names.verification,
            VerificationScheduleArgs(
                self._spec, verification, self._args.agent, [*self._requires, *account, *self._places]
            ),
            pulumi.ResourceOptions(parent=self),
        )

    def _declare_drill(self) -> None:
        drill = self._spec.drill
        if drill is None:
            return
        account = permissions.service_account(self._spec, self._names.drill, permissions.drill_rules(self._spec), self)
        DrillSchedule(
            self._names.drill,
            DrillScheduleArgs(self._spec, drill, self._args.agent, [*self._requires, *account, *self._places]),
            pulumi.ResourceOptions(parent=self),
        )


def summary_of(args: ValidatorProtectionArgs) -> dict[str, Any]:
    """What people ask of a protected validator, as the stack's output shows it."""
    spec, names = args.validator, ObjectNames.of(args.validator)
    summary: dict[str, Any] = {"namespace": spec.namespace, "partyHint": spec.party_hint}
    if spec.backup is not None:
        size = {"volume": str(backup_volume_size(spec.backup, spec.databases))} if spec.backup.volume else {}
        schedule = _schedule(names.backup, spec.backup, args.now)
        summary["backup"] = {**schedule, **size, "sets": destinations_of_sets(spec)}
    if spec.identity_dump is not None:
        summary["identityDump"] = {
            **_schedule(names.identity_dump, spec.identity_dump, args.now),
            "dumps": destinations_of_dumps(spec),
        }
    if spec.verification is not None:
        summary["verification"] = _schedule(names.verification, spec.verification, args.now)
    if spec.drill is not None:
        summary["drill"] = _schedule(names.drill, spec.drill, args.now)
    return summary


def destinations_of_sets(spec: ValidatorSpec) -> list[str]:
    """Where backup sets are."""
    backup = spec.backup
    if backup is None:
        return []
    if backup.snapshot is not None:
        return [f"VolumeSnapshots {spec.namespace}/{ObjectNames.of(spec).snapshot('*', '*')}"]
    volume = [f"claim {spec.namespace}/{ObjectNames.of(spec).volume_claim}, folder sets"] if backup.volume else []
    return [*volume, *([f"s3://{backup.bucket.name}/{spec.object_prefix}sets/"] if backup.bucket else [])]


def destinations_of_dumps(spec: ValidatorSpec) -> list[str]:
    """Where identity dumps are."""
    if spec.identity_dump is None:
        return []
    secrets = f"Secrets {spec.namespace}/{ObjectNames.of(spec).identity_dump_secret('*')}"
    bucket = spec.backup.bucket if spec.backup else None
    return [secrets, *([f"s3://{bucket.name}/{spec.object_prefix}identities/"] if bucket else [])]


def _schedule(cron_job: str, schedule: RunSchedule, now: datetime) -> dict[str, Any]:
    summary: dict[str, Any] = {"cronJob": cron_job, "schedule": f"{schedule.cron} {schedule.time_zone}"}
    if schedule.suspend:
        return {**summary, "suspended": True}
    coming = schedule.schedule.next_run(now)
    return {**summary, "nextRun": f"{coming.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if coming else "never"}
