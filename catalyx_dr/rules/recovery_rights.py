"""What a recovery may do in its namespace: the same list makes its Role and is asked for before anything is touched."""

from dataclasses import dataclass

from catalyx_dr.model.target import CustomResourceTarget, SpliceHelmTarget, Workload
from catalyx_dr.model.validator_spec import ValidatorSpec
from catalyx_dr.rules.snapshot_order import stateful_sets


@dataclass(frozen=True)
class Right:
    """Verbs on a resource of the namespace; without `names` on every object of it."""

    resource: str
    verbs: tuple[str, ...]
    group: str = ""
    names: tuple[str, ...] = ()

    def __str__(self) -> str:
        named = f" {', '.join(self.names)}" if self.names else ""
        return f"{', '.join(self.verbs)} {self.resource}{named}"


RECORDS = Right("configmaps", ("get", "list", "create", "patch", "delete"))
# Where no volume can be locked, a Lease keeps a second run away; to create cannot be limited to a name.
LEASES = Right("leases", ("get", "create", "update"), "coordination.k8s.io")


def recovery_rights(spec: ValidatorSpec) -> tuple[Right, ...]:
    """Records; stopping, starting and changing the named workloads; the bootstrap Secret, made but never read."""
    target = spec.target
    workloads: set[Workload] = {*spec.workloads}
    if isinstance(target, SpliceHelmTarget):
        workloads.add(target.validator_workload)
    changes = tuple(
        Right(
            f"{kind.lower()}s",
            ("get", "patch"),
            "apps",
            tuple(sorted(workload.name for workload in workloads if workload.kind == kind)),
        )
        for kind in sorted({workload.kind for workload in workloads})
    )
    resource = (
        (Right(target.plural, ("get", "patch"), target.group, (target.name,)),)
        if isinstance(target, CustomResourceTarget)
        else ()
    )
    return (
        RECORDS,
        *(() if _needs_no_lease(spec) else (LEASES,)),
        *changes,
        *_restoring_snapshots(spec),
        Right("pods", ("get", "list")),
        Right("secrets", ("create",)),
        Right("secrets", ("delete",), names=(target.bootstrap_secret,)),
        *resource,
    )


def _needs_no_lease(spec: ValidatorSpec) -> bool:
    """The volume's lock does as well; restoring snapshots touches nothing that another run could."""
    return spec.backup is not None and (spec.backup.volume is not None or spec.backup.snapshot is not None)


def _restoring_snapshots(spec: ValidatorSpec) -> tuple[Right, ...]:
    """New claims, and throw-away servers on them: who may make pods can use what the namespace's pods can."""
    if spec.backup is None or spec.backup.snapshot is None:
        return ()
    return (
        Right("volumesnapshots", ("get", "list"), "snapshot.storage.k8s.io"),
        Right("persistentvolumeclaims", ("get", "create", "delete")),
        Right("pods", ("create", "delete")),
        Right("statefulsets", ("get",), "apps", stateful_sets(spec.databases)),
    )
