"""Scheduled identity dumps of one validator."""

from dataclasses import dataclass

import pulumi

from catalyx_dr.adapters import mounted_secrets
from catalyx_dr.adapters.agent_pod import AgentPod
from catalyx_dr.model.environment_spec import AgentImage
from catalyx_dr.model.object_names import ObjectNames
from catalyx_dr.model.validator_spec import IdentityDumps, ValidatorSpec
from components.scheduled_job import scheduled_job


@dataclass(frozen=True)
class IdentityDumpScheduleArgs:
    """`requires`: service account and bucket that a run needs."""

    validator: ValidatorSpec
    dumps: IdentityDumps
    agent: AgentImage
    requires: list[pulumi.Resource]


class IdentityDumpSchedule(pulumi.ComponentResource):
    """CronJob `<validator>-identity-dump`."""

    def __init__(self, name: str, args: IdentityDumpScheduleArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("catalyx-dr:identity:IdentityDumpSchedule", name, None, opts)
        names = ObjectNames.of(args.validator)
        pod = AgentPod(
            spec=args.validator,
            agent=args.agent,
            arguments=("dump-identities",),
            service_account=names.identity_dump,
            secrets=mounted_secrets.for_identity_dump(args.validator),
        )
        self.cron_job = scheduled_job(names.identity_dump, args.dumps, pod, self, args.requires)
        self.register_outputs(
            {"cronJob": names.identity_dump, "schedule": args.dumps.cron, "timeZone": args.dumps.time_zone}
        )
