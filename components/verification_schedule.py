"""Scheduled verification of everything that one validator's captures are."""

from dataclasses import dataclass

import pulumi

from catalyx_dr.adapters import mounted_secrets
from catalyx_dr.adapters.agent_pod import AgentPod
from catalyx_dr.model.environment_spec import AgentImage
from catalyx_dr.model.object_names import ObjectNames
from catalyx_dr.model.proofs import Verification
from catalyx_dr.model.validator_spec import ValidatorSpec
from components.scheduled_job import scheduled_job


@dataclass(frozen=True)
class VerificationScheduleArgs:
    """`requires`: service account, volume and bucket that a run needs."""

    validator: ValidatorSpec
    verification: Verification
    agent: AgentImage
    requires: list[pulumi.Resource]


class VerificationSchedule(pulumi.ComponentResource):
    """CronJob `<validator>-verify`."""

    def __init__(self, name: str, args: VerificationScheduleArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("catalyx-dr:proof:VerificationSchedule", name, None, opts)
        names = ObjectNames.of(args.validator)
        pod = AgentPod(
            spec=args.validator,
            agent=args.agent,
            arguments=("verify",),
            service_account=names.verification,
            secrets=mounted_secrets.for_verification(args.validator),
            backup_volume=bool(args.validator.backup and args.validator.backup.volume),
        )
        self.cron_job = scheduled_job(names.verification, args.verification, pod, self, args.requires)
        self.register_outputs(
            {
                "cronJob": names.verification,
                "schedule": args.verification.cron,
                "timeZone": args.verification.time_zone,
            }
        )
