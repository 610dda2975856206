"""Scheduled restore drills: the agent, and beside it in the pod a throw-away PostgreSQL for dumps."""

from dataclasses import dataclass
from typing import Any

import pulumi

from catalyx_dr.adapters import mounted_secrets
from catalyx_dr.adapters.agent_pod import AgentPod, Companion
from catalyx_dr.model.environment_spec import AgentImage
from catalyx_dr.model.object_names import ObjectNames
from catalyx_dr.model.proofs import Drill
from catalyx_dr.model.quantity import Quantity
from catalyx_dr.model.validator_spec import ValidatorSpec
from components.scheduled_job import scheduled_job

_FOLDER = "/throw-away"
# Only initdb and postgres themselves are used, so that any image that has them will do. Nobody outside the pod can
# connect. Shared memory is kept in files, since a container's /dev/shm is small.
_SCRIPT = """
[ -s "$PGDATA/PG_VERSION" ] || initdb --username=postgres --auth=trust --encoding=UTF8 --locale=C --no-sync
exec postgres -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c dynamic_shared_memory_type=mmap
"""
_RESOURCES = {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "2Gi"}}


@dataclass(frozen=True)
class DrillScheduleArgs:
    """`requires`: service account, volume and bucket that a run needs."""

    validator: ValidatorSpec
    drill: Drill
    agent: AgentImage
    requires: list[pulumi.Resource]


class DrillSchedule(pulumi.ComponentResource):
    """CronJob `<validator>-drill`."""

    def __init__(self, name: str, args: DrillScheduleArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("catalyx-dr:proof:DrillSchedule", name, None, opts)
        names = ObjectNames.of(args.validator)
        from_volume = args.drill.source == "volume"
        room = args.drill.storage or args.validator.databases.storage
        pod = AgentPod(
            spec=args.validator,
            agent=args.agent,
            arguments=("drill",),
            service_account=names.drill,
            secrets=mounted_secrets.for_drill(args.validator),
            backup_volume=from_volume,
            companion=None if args.drill.source == "snapshot" else _beside(args.drill, room),
        )
        self.cron_job = scheduled_job(names.drill, args.drill, pod, self, args.requires)
        self.register_outputs(
            {"cronJob": names.drill, "schedule": args.drill.cron, "timeZone": args.drill.time_zone, "room": str(room)}
        )


def _beside(drill: Drill, room: Quantity) -> Companion:
    return Companion(
        container=_server(drill),
        volume={"name": "throw-away", **_room(drill, room)},
        scratch=None if drill.source == "volume" else _room(drill, room),
    )


def _server(drill: Drill) -> dict[str, Any]:
    return {
        "name": "postgres",
        "image": drill.image,
        "command": ["sh", "-ec", _SCRIPT],
        "env": [{"name": "PGDATA", "value": f"{_FOLDER}/data"}],
        "resources": _RESOURCES,
        "securityContext": {
            "runAsUser": drill.run_as_user,
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "throw-away", "mountPath": _FOLDER}],
    }


def _room(drill: Drill, size: Quantity) -> dict[str, Any]:
    """A volume that is made for the pod and goes with it."""
    if drill.storage_class is None:
        return {"emptyDir": {"sizeLimit": str(size)}}
    claim = {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": drill.storage_class,
        "resources": {"requests": {"storage": str(size)}},
    }
    return {"ephemeral": {"volumeClaimTemplate": {"spec": claim}}}
