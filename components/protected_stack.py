"""A whole stack: buckets, the protection of every validator, and the recoveries that are asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi

from catalyx_dr.model.environment_spec import Environment, EnvironmentSpec
from catalyx_dr.model.quantity import Quantity
from catalyx_dr.model.validator_spec import ValidatorSpec
from catalyx_dr.rules.environments import Override, overrides
from catalyx_dr.rules.policy import Finding
from components.backup_bucket import BackupBucket, BackupBucketArgs, aws_buckets
from components.cluster_lookup import ClusterLookup
from components.kept_backups import KeptBackups
from components.recoveries import declare_identity_import, declare_restore
from components.recovery_plan import RecoveryPlan
from components.validator_protection import ValidatorProtection, ValidatorProtectionArgs

_PROTECTED = (Environment.PRODUCTION, Environment.CRITICAL)


@dataclass(frozen=True)
class Known:
    """What the cluster told before anything is declared. `volumes`: validator -> size of a volume it has already."""

    restore: RecoveryPlan | None
    identity_import: RecoveryPlan | None
    volumes: Mapping[str, Quantity]
    findings: Sequence[Finding] = ()


def declare_stack(spec: EnvironmentSpec, findings: Sequence[Finding], lookup: ClusterLookup) -> dict[str, Any]:
    """Look up, then declare everything; returns the stack's outputs.

    Raises CatalyxDrError, before anything is declared, when the stack or a recovery cannot be as asked for.
    """
    known = look_up(spec, lookup)
    for finding in findings:
        if finding.validator is None:
            pulumi.log.warn(finding.text)
    protect = spec.environment in _PROTECTED
    buckets = _declare_buckets(spec, protect)
    protections = {}
    notes = overrides(spec)
    for place, validator in enumerate(spec.validators):
        args = ValidatorProtectionArgs(
            validator=validator,
            agent=spec.agent,
            protect=protect,
            now=lookup.now,
            bucket=buckets.get(_bucket_name(validator)),
            present_volume=known.volumes.get(validator.name),
            warnings=[*_texts(findings, validator), *_together(_texts(known.findings, validator))],
            notes=_differences(notes, f"validators[{place}].", spec),
        )
        protections[validator.name] = ValidatorProtection(validator.name, args)
        KeptBackups(validator)
    summaries = {name: protection.summary for name, protection in protections.items()}
    return {"validators": summaries, **_declare_recoveries(spec, known, protections)}


def look_up(spec: EnvironmentSpec, lookup: ClusterLookup) -> Known:
    """Ask the cluster; what a preview could not learn is said once."""
    restore, identity_import = spec.restore, spec.identity_import
    known = Known(
        restore=lookup.restore(spec.validator(restore.validator), restore) if restore else None,
        identity_import=(
            lookup.identity_import(spec.validator(identity_import.validator), identity_import)
            if identity_import
            else None
        ),
        volumes=lookup.volume_sizes(spec.validators),
        findings=lookup.findings(spec),
    )
    if lookup.unanswered:
        pulumi.log.warn(f"not looked up in the cluster: {', '.join(lookup.unanswered)}; {lookup.reason}")
    if lookup.denied:
        pulumi.log.warn(f"the identity in use may not look up in the cluster: {', '.join(lookup.denied)}")
    return known


def _texts(findings: Sequence[Finding], validator: ValidatorSpec) -> list[str]:
    return [finding.text for finding in findings if finding.validator == validator.name]


def _together(found: list[str]) -> list[str]:
    """What the cluster lacks as one message, since a cluster that is not set up yet lacks a lot."""
    return ["\n".join(["in the cluster:", *found])] if found else []


def _differences(found: Sequence[Override], prefix: str, spec: EnvironmentSpec) -> list[str]:
    """What a validator sets in another way than its environment, as one message."""
    own = [str(one).removeprefix(prefix) for one in found if one.path.startswith(prefix)]
    return [f"set differently from the defaults of {spec.environment}: {'; '.join(own)}"] if own else []


def _bucket_name(validator: ValidatorSpec) -> str:
    return validator.backup.bucket.name if validator.backup and validator.backup.bucket else ""


def _declare_buckets(spec: EnvironmentSpec, protect: bool) -> dict[str, BackupBucket]:
    return {
        bucket.name: BackupBucket(bucket.name, BackupBucketArgs(bucket, protect, validator, spec.agent))
        for validator, bucket in aws_buckets(spec.validators)
    }


def _declare_recoveries(
    spec: EnvironmentSpec, known: Known, protections: Mapping[str, ValidatorProtection]
) -> dict[str, Any]:
    outputs: dict[str, Any] = {}
    if spec.restore and known.restore:
        name = spec.restore.validator
        restore = declare_restore(spec.validator(name), spec.agent, spec.restore, known.restore, protections[name])
        outputs["restore"] = {
            "validator": name,
            "set": restore.set_id,
            "status": restore.status,
            "finished": restore.finished,
            "result": restore.message,
        }
    if spec.identity_import and known.identity_import:
        name = spec.identity_import.validator
        done = declare_identity_import(
            spec.validator(name), spec.agent, spec.identity_import, known.identity_import, protections[name]
        )
        outputs["identityImport"] = {
            "validator": name,
            "dump": done.dump_id,
            "status": done.status,
            "finished": done.finished,
            "result": done.message,
            "values": done.values,
        }
    return outputs
