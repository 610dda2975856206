"""Service accounts of a validator's jobs, each with the least that its operations need."""

from collections.abc import Sequence

import pulumi
from pulumi_kubernetes.core.v1 import ServiceAccount
from pulumi_kubernetes.rbac.v1 import PolicyRuleArgs, Role, RoleBinding, RoleRefArgs, SubjectArgs

from catalyx_dr.model.object_names import ObjectNames
from catalyx_dr.model.validator_spec import ValidatorSpec
from catalyx_dr.rules.recovery_rights import LEASES, RECORDS, Right, recovery_rights
from catalyx_dr.rules.snapshot_order import snapshot_steps, stateful_sets
from components.object_metadata import metadata_of


def backup_rules(spec: ValidatorSpec) -> list[PolicyRuleArgs]:
    """Records, and growing the backup volume; or taking and removing snapshots."""
    if spec.backup is not None and spec.backup.snapshot is not None:
        claims = [step.volume.claim for step in snapshot_steps(spec.databases)]
        return [
            *_of_every_run(spec),
            _rule(LEASES),
            _snapshots("get", "list", "create", "patch", "delete"),
            _core("persistentvolumeclaims", "get", names=claims),
        ]
    if spec.backup is None:
        return _of_every_run(spec)
    if spec.backup.volume is None:
        return [*_of_every_run(spec), _rule(LEASES)]
    claim = _core("persistentvolumeclaims", "get", "patch", names=[ObjectNames.of(spec).volume_claim])
    return [*_of_every_run(spec), claim]


def identity_dump_rules(spec: ValidatorSpec) -> list[PolicyRuleArgs]:
    """Records, and Secrets to be created and deleted, but neither read nor listed."""
    return [*_of_every_run(spec), _core("secrets", "create", "delete")]


def verification_rules(spec: ValidatorSpec) -> list[PolicyRuleArgs]:
    """Records, and Secrets to be tried for, so that a taken name tells of a dump: none is read, listed or deleted."""
    snapshots = [_snapshots("get", "list")] if spec.backup is not None and spec.backup.snapshot is not None else []
    return [*_of_every_run(spec), _core("secrets", "create"), *snapshots]


def drill_rules(spec: ValidatorSpec) -> list[PolicyRuleArgs]:
    """Records alone, where what a drill makes goes with its pod; from snapshots, claims and pods of its own names.

    To create cannot be limited to a name: who may make pods can use what the namespace's pods can.
    """
    if spec.drill is None or spec.drill.source != "snapshot":
        return _of_every_run(spec)
    own = [ObjectNames.of(spec).drilled(step.part) for step in snapshot_steps(spec.databases)]
    return [
        *_of_every_run(spec),
        _rule(LEASES),
        _snapshots("get", "list"),
        _rule(Right("statefulsets", ("get",), "apps", stateful_sets(spec.databases))),
        _core("persistentvolumeclaims", "create"),
        _core("persistentvolumeclaims", "get", "delete", names=own),
        _core("pods", "create"),
        _core("pods", "get", "delete", names=own),
    ]


def _of_every_run(spec: ValidatorSpec) -> list[PolicyRuleArgs]:
    """Records, and alerts: Events, written on the validator's own CronJobs."""
    cron_jobs = PolicyRuleArgs(
        api_groups=["batch"],
        resources=["cronjobs"],
        resource_names=sorted(ObjectNames.of(spec).scheduled.values()),
        verbs=["get"],
    )
    return [_records(), _core("events", "create"), cron_jobs]


def recovery_rules(spec: ValidatorSpec) -> list[PolicyRuleArgs]:
    """Exactly what a recovery asks for before it begins."""
    return [_rule(right) for right in recovery_rights(spec)]


def service_account(
    spec: ValidatorSpec, name: str, rules: Sequence[PolicyRuleArgs], parent: pulumi.Resource
) -> list[pulumi.Resource]:
    """Declare a service account with its Role; returns what a job needs before it may start."""
    names = ObjectNames.of(spec)
    options = pulumi.ResourceOptions(parent=parent)
    account = ServiceAccount(
        name,
        metadata=metadata_of(names, name, spec.service_account_annotations),
        # Pods that need the token ask for it.
        automount_service_account_token=False,
        opts=options,
    )
    role = Role(name, metadata=metadata_of(names, name), rules=list(rules), opts=options)
    binding = RoleBinding(
        name,
        metadata=metadata_of(names, name),
        role_ref=RoleRefArgs(api_group="rbac.authorization.k8s.io", kind="Role", name=name),
        subjects=[SubjectArgs(kind="ServiceAccount", name=name, namespace=spec.namespace)],
        opts=options,
    )
    return [account, role, binding]


def _records() -> PolicyRuleArgs:
    return _rule(RECORDS)


def _rule(right: Right) -> PolicyRuleArgs:
    return PolicyRuleArgs(
        api_groups=[right.group],
        resources=[right.resource],
        verbs=list(right.verbs),
        resource_names=list(right.names) or None,
    )


def _snapshots(*verbs: str) -> PolicyRuleArgs:
    return PolicyRuleArgs(api_groups=["snapshot.storage.k8s.io"], resources=["volumesnapshots"], verbs=list(verbs))


def _core(resource: str, *verbs: str, names: list[str] | None = None) -> PolicyRuleArgs:
    return _rule(Right(resource, verbs, names=tuple(names or ())))
