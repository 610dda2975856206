"""Starts an adoption as a Job, which has the volume, the store and the client programs, and follows it to its end."""

import secrets
from collections.abc import Callable
from datetime import timedelta

from catalyx_dr.adapters import jobs
from catalyx_dr.adapters.agent_pod import AgentPod
from catalyx_dr.adapters.cluster import Cluster, labels
from catalyx_dr.adapters.mounted_secrets import for_backup, for_identity_dump
from catalyx_dr.adapters.recovery_jobs import Installed
from catalyx_dr.model.errors import CatalyxDrError, RefusedError
from catalyx_dr.model.identity_dump import SECRET_KEY
from catalyx_dr.model.object_names import ObjectNames
from catalyx_dr.model.spec import SecretKey
from catalyx_dr.model.validator_spec import ValidatorSpec

Say = Callable[[str], None]
_DUMP_DEADLINE = timedelta(minutes=10)
_REFUSED = 2


def adopt_dump_from_secret(
    cluster: Cluster, protected: Installed, secret: str, arguments: tuple[str, ...], say: Say
) -> None:
    """Adopt the dump in a Secret of the namespace; raises RefusedError or CatalyxDrError as the Job ended."""
    _run(cluster, _dump_pod(protected, secret, arguments), _new_name(protected.spec), _DUMP_DEADLINE, say)


def adopt_dump_from_file(
    cluster: Cluster, protected: Installed, content: bytes, arguments: tuple[str, ...], say: Say
) -> None:
    """Adopt a dump of this content; errors are those of `adopt_dump_from_secret`.

    It travels in a Secret that belongs to the Job, so that it goes with the Job when nobody follows that to its end.
    """
    name = _new_name(protected.spec)

    def lend() -> None:
        owner = jobs.as_owner(cluster, name)
        cluster.create_secret(name, {SECRET_KEY: content}, labels(protected.spec.name), immutable=True, owners=(owner,))

    try:
        _run(cluster, _dump_pod(protected, name, arguments, waits=True), name, _DUMP_DEADLINE, say, lend)
    finally:
        cluster.delete_secret(name)


def adopt_pair(cluster: Cluster, protected: Installed, name: str, arguments: tuple[str, ...], say: Say) -> None:
    """Adopt the pair of dumps in `incoming/<name>`; raises RefusedError or CatalyxDrError as the Job ended."""
    spec = protected.spec
    if spec.backup is None:
        raise RefusedError(f"validator {spec.name!r} declares no backup; declare it first, then pulumi up")
    pod = AgentPod(
        spec=spec,
        agent=protected.agent,
        arguments=("adopt-set", name, *arguments),
        service_account=ObjectNames.of(spec).backup,
        secrets=for_backup(spec),
        backup_volume=spec.backup.volume is not None,
        scratch_limit=spec.backup.scratch,
    )
    _run(cluster, pod, _new_name(spec), spec.backup.deadline, say)


def _dump_pod(protected: Installed, secret: str, arguments: tuple[str, ...], *, waits: bool = False) -> AgentPod:
    """`waits`: for the Secret, which is made after its Job."""
    spec = protected.spec
    if spec.identity_dump is None:
        raise RefusedError(f"validator {spec.name!r} declares no identityDump; declare it first, then pulumi up")
    return AgentPod(
        spec=spec,
        agent=protected.agent,
        arguments=("adopt-dump", "--secret", secret, *arguments),
        service_account=ObjectNames.of(spec).identity_dump,
        secrets=(*for_identity_dump(spec), SecretKey(name=secret, key=SECRET_KEY)),
        waits_for=secret if waits else None,
    )


def _new_name(spec: ValidatorSpec) -> str:
    return f"{spec.name}-adopt-{secrets.token_hex(3)}"


def _run(
    cluster: Cluster,
    pod: AgentPod,
    name: str,
    deadline: timedelta,
    say: Say,
    submitted: Callable[[], None] = lambda: None,
) -> None:
    jobs.submit(cluster, pod.job_manifest(name, deadline))
    try:
        submitted()
        state = jobs.follow(cluster, name, say)
        refused = jobs.exit_code(cluster, name) == _REFUSED
    finally:
        # Its log was shown, and a failed Job that stays would be taken for a fault of the protection.
        jobs.remove(cluster, name)
    if state is not jobs.JobState.SUCCEEDED:
        text = f"Job {cluster.namespace}/{name} {state}; its log is above, nothing was adopted"
        raise RefusedError(text) if refused else CatalyxDrError(text)
