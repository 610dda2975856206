"""What a preview sees with the rights of whoever runs it: workloads, rights, the original, the bucket."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from catalyx_dr.adapters import access, validator_resource, workloads
from catalyx_dr.adapters.bucket_identities import BucketIdentities
from catalyx_dr.adapters.bucket_sets import BucketSets
from catalyx_dr.adapters.bucket_store import BucketStore, Effort
from catalyx_dr.adapters.cluster import Cluster
from catalyx_dr.adapters.cluster_secrets import ClusterSecrets
from catalyx_dr.adapters.restored_claims import missing_classes, refused_claims
from catalyx_dr.adapters.trial_server import refused_trials
from catalyx_dr.adapters.volume_snapshots import ClusterSnapshots
from catalyx_dr.model.backup_set import Manifest
from catalyx_dr.model.errors import RefusedError
from catalyx_dr.model.identity_dump import IdentityDumpMetadata
from catalyx_dr.model.snapshot_set import SnapshotCapture
from catalyx_dr.model.target import CustomResourceTarget
from catalyx_dr.model.validator_spec import ValidatorSpec
from catalyx_dr.rules.recovery_rights import Right
from catalyx_dr.rules.restore_preflight import OriginalFacts
from catalyx_dr.rules.snapshot_preflight import CopyFacts
from components.recovery_plan import Seen

Answer = TypeVar("Answer")
Found = TypeVar("Found", Manifest, IdentityDumpMetadata)
# What whoever runs `pulumi up` needs; the Job's own rights are the Job's to ask for.
_TO_ASK = (
    Right("jobs", ("get", "create", "delete"), "batch"),
    Right("configmaps", ("get", "list")),
    Right("pods/log", ("get",)),
)


def sight(cluster: Cluster, spec: ValidatorSpec) -> Seen:
    """What can be looked up; nothing is before it is asked for."""
    target = spec.target

    def missing() -> tuple[str, ...] | None:
        return _allowed(lambda: tuple(str(one) for one in spec.workloads if not workloads.exists(cluster, one)))

    def resource() -> bool | None:
        if not isinstance(target, CustomResourceTarget):
            return None
        return _allowed(lambda: validator_resource.exists(cluster, target))

    return Seen(
        missing_workloads=missing,
        denied=lambda: _allowed(lambda: access.denied(cluster, _TO_ASK)),
        running=lambda namespace: _running(cluster, spec, namespace),
        manifests=lambda: _in_bucket(cluster, spec, lambda store: BucketSets(store, spec).published()),
        dumps=lambda: _in_bucket(cluster, spec, lambda store: BucketIdentities(store, spec).published()),
        resource=resource,
        snapshots=lambda: _allowed(lambda: ClusterSnapshots(cluster, spec.name).found()),
        copies=lambda wanted: _copies(cluster, spec, wanted),
    )


def _copies(cluster: Cluster, spec: ValidatorSpec, wanted: Mapping[str, SnapshotCapture]) -> CopyFacts:
    classes = {one.source.storage_class for one in wanted.values()}
    return CopyFacts(
        missing_classes=_allowed(lambda: missing_classes(cluster, classes)),
        claims=_allowed(lambda: refused_claims(cluster, spec.name, wanted)),
        servers=_allowed(lambda: refused_trials(cluster, spec.name, wanted)),
    )


def _running(cluster: Cluster, spec: ValidatorSpec, namespace: str) -> OriginalFacts:
    """Whether workloads of the same names have pods where the set was taken."""
    if namespace == spec.namespace:
        return OriginalFacts(replaced_here=False, unseen=f"namespace {namespace}, perhaps of another cluster")
    elsewhere = Cluster(cluster.client, namespace)
    try:
        running = [str(one) for one in spec.workloads if workloads.has_pods(elsewhere, one)]
    except RefusedError as error:
        return OriginalFacts(replaced_here=False, unseen=f"namespace {namespace} ({error})")
    if running:
        return OriginalFacts(replaced_here=False, running=f"namespace {namespace}: {', '.join(running)}")
    return OriginalFacts(replaced_here=False, unseen=f"namespace {namespace}, where nothing of it runs in this cluster")


def _allowed(ask: Callable[[], Answer]) -> Answer | None:
    """The answer, or None where this person may not ask."""
    try:
        return ask()
    except RefusedError:
        return None


def _in_bucket(
    cluster: Cluster, spec: ValidatorSpec, read: Callable[[BucketStore], Sequence[Found]]
) -> Sequence[Found]:
    """What the store lists, with the key that the cluster keeps; raises CatalyxDrError where it cannot be asked."""
    bucket = spec.backup.bucket if spec.backup else None
    if bucket is None:
        return ()
    return read(BucketStore.reach(bucket, ClusterSecrets(cluster), Effort.BRIEF))
