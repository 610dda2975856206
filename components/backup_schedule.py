"""Scheduled backup sets of one validator."""

from dataclasses import dataclass

import pulumi

from catalyx_dr.adapters import mounted_secrets
from catalyx_dr.adapters.agent_pod import AgentPod
from catalyx_dr.model.backup import DatabaseBackup
from catalyx_dr.model.environment_spec import AgentImage
from catalyx_dr.model.object_names import ObjectNames
from catalyx_dr.model.validator_spec import ValidatorSpec
from components.scheduled_job import scheduled_job


@dataclass(frozen=True)
class BackupScheduleArgs:
    """`requires`: service account, volume and bucket that a run needs."""

    validator: ValidatorSpec
    backup: DatabaseBackup
    agent: AgentImage
    requires: list[pulumi.Resource]


class BackupSchedule(pulumi.ComponentResource):
    """CronJob `<validator>-backup`."""

    def __init__(self, name: str, args: BackupScheduleArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("catalyx-dr:backup:BackupSchedule", name, None, opts)
        names = ObjectNames.of(args.validator)
        pod = AgentPod(
            spec=args.validator,
            agent=args.agent,
            arguments=("backup",),
            service_account=names.backup,
            secrets=mounted_secrets.for_backup(args.validator),
            backup_volume=args.backup.volume is not None,
            scratch_limit=args.backup.scratch,
        )
        self.cron_job = scheduled_job(names.backup, args.backup, pod, self, args.requires)
        self.register_outputs(
            {"cronJob": names.backup, "schedule": args.backup.cron, "timeZone": args.backup.time_zone}
        )
