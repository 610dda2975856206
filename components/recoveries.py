"""Recoveries that the stack file asks for, each as one resource that a Job in the cluster carries out."""

from datetime import timedelta

import pulumi

from catalyx_dr.adapters import mounted_secrets
from catalyx_dr.adapters.agent_pod import AgentPod
from catalyx_dr.adapters.recovery_arguments import import_arguments, restore_arguments
from catalyx_dr.model.environment_spec import AgentImage, IdentityImportRequest, RestoreRequest
from catalyx_dr.model.object_names import ObjectNames
from catalyx_dr.model.validator_spec import ValidatorSpec
from catalyx_dr.rules.identity import target_values
from components.recovery_plan import RecoveryPlan
from dynamic_providers.database_restore import DatabaseRestore, DatabaseRestoreArgs
from dynamic_providers.identity_import import IdentityImport, IdentityImportArgs

# A recovery is never cut short while it makes progress; this ends one that hangs.
_RESTORE_DEADLINE = timedelta(hours=24)
# Long enough for a person who sets the values by hand.
_IMPORT_DEADLINE = timedelta(hours=8)


def declare_restore(
    spec: ValidatorSpec, agent: AgentImage, request: RestoreRequest, plan: RecoveryPlan, after: pulumi.Resource
) -> DatabaseRestore:
    """Declare the restore, to run when the validator's protection is in place."""
    names = ObjectNames.of(spec)
    pod = AgentPod(
        spec=spec,
        agent=agent,
        arguments=("restore", *restore_arguments(request, plan.capture)),
        service_account=names.recovery,
        secrets=mounted_secrets.for_restore(spec, request),
        # Also for a set in the bucket: no backup may run at the same time, which the volume's lock prevents.
        backup_volume=spec.backup is not None and spec.backup.volume is not None,
        scratch_limit=spec.backup.scratch if spec.backup else None,
    )
    restore = DatabaseRestore(
        f"{spec.name}-restore",
        DatabaseRestoreArgs(
            validator=spec.name,
            namespace=spec.namespace,
            request_id=request.request_id,
            set=request.set,
            set_id=plan.capture,
            taken_at=plan.taken.isoformat() if plan.taken else None,
            source=request.source,
            overrides=tuple(map(str, request.overrides)),
            stops=tuple(map(str, spec.workloads)),
            job=pod.job_manifest(names.job("restore", request.request_id), _RESTORE_DEADLINE),
        ),
        pulumi.ResourceOptions(depends_on=[after]),
    )
    _tell(plan, restore)
    return restore


def declare_identity_import(
    spec: ValidatorSpec, agent: AgentImage, request: IdentityImportRequest, plan: RecoveryPlan, after: pulumi.Resource
) -> IdentityImport:
    """Declare the identity import, to run when the validator's protection is in place."""
    names = ObjectNames.of(spec)
    pod = AgentPod(
        spec=spec,
        agent=agent,
        arguments=("import-identities", *import_arguments(request, plan.capture)),
        service_account=names.recovery,
        secrets=mounted_secrets.for_identity_import(spec, request, plan.capture if plan.taken else None),
    )
    identity_import = IdentityImport(
        f"{spec.name}-identity-import",
        IdentityImportArgs(
            validator=spec.name,
            namespace=spec.namespace,
            request_id=request.request_id,
            dump=request.dump,
            dump_id=plan.capture,
            taken_at=plan.taken.isoformat() if plan.taken else None,
            source=request.source,
            new_participant_identifier=request.new_participant_identifier,
            apply=request.apply,
            moved_to=request.moved_to,
            overrides=tuple(map(str, request.overrides)),
            stops=tuple(map(str, spec.workloads)),
            values=target_values(spec, request.new_participant_identifier),
            job=pod.job_manifest(names.job("import", request.request_id), _IMPORT_DEADLINE),
        ),
        pulumi.ResourceOptions(depends_on=[after]),
    )
    _tell(plan, identity_import)
    return identity_import


def _tell(plan: RecoveryPlan, resource: pulumi.Resource) -> None:
    for warning in plan.warnings:
        pulumi.log.warn(warning, resource=resource)
    for note in plan.notes:
        pulumi.log.info(note, resource=resource)
