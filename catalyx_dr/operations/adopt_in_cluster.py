"""Starts an adoption as a Job, which has the volume, the store and the client programs, and follows it to its end."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
    spec = protected.spec
    if spec.identity_dump is None:
        raise RefusedError(f"validator {spec.name!r} declares no identityDump; declare it first, then pulumi up")
    pod = AgentPod(
        spec=spec,
        agent=protected.agent,
        arguments=("adopt-dump", "--secret", secret, *arguments),
        service_account=ObjectNames.of(spec).identity_dump,
        secrets=(*for_identity_dump(spec), SecretKey(name=secret, key=SECRET_KEY)),
    )
    _run(cluster, pod, _DUMP_DEADLINE, say)


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
    _run(cluster, pod, spec.backup.deadline, say)


@contextmanager
def lent_secret(cluster: Cluster, spec: ValidatorSpec, content: bytes) -> Iterator[str]:
    """A Secret with the content of a file, there only as long as the Job needs it."""
    name = f"{spec.name}-adopt-{secrets.token_hex(3)}"
    cluster.create_secret(name, {SECRET_KEY: content}, labels(spec.name), immutable=True)
    try:
        yield name
    finally:
        cluster.delete_secret(name)


def _run(cluster: Cluster, pod: AgentPod, deadline: timedelta, say: Say) -> None:
    name = f"{pod.spec.name}-adopt-{secrets.token_hex(3)}"
    jobs.submit(cluster, pod.job_manifest(name, deadline))
    try:
        state = jobs.follow(cluster, name, say)
        refused = jobs.exit_code(cluster, name) == _REFUSED
    finally:
        # Its log was shown, and a failed Job that stays would be taken for a fault of the protection.
        jobs.remove(cluster, name)
    if state is not jobs.JobState.SUCCEEDED:
        text = f"Job {cluster.namespace}/{name} {state}; its log is above, nothing was adopted"
        raise RefusedError(text) if refused else CatalyxDrError(text)
