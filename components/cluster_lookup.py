"""What a program asks the cluster before it registers anything: read-only; a preview goes on without an answer."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from catalyx_dr.adapters import backup_claims
from catalyx_dr.adapters.cluster import Cluster
from catalyx_dr.adapters.cluster_facts import observe
from catalyx_dr.adapters.records import ClusterRecords
from catalyx_dr.model.environment_spec import EnvironmentSpec, IdentityImportRequest, RestoreRequest
from catalyx_dr.model.errors import CatalyxDrError, RefusedError, UnreachableError
from catalyx_dr.model.object_names import ObjectNames
from catalyx_dr.model.quantity import Quantity
from catalyx_dr.model.validator_spec import ValidatorSpec
from catalyx_dr.rules.policy import ClusterFacts, Finding, cluster_findings
from components.recovery_plan import (
    RecoveryPlan,
    Seen,
    import_note,
    plan_import,
    plan_restore,
    restore_note,
)
from dynamic_providers.cluster_access import ClusterAccess

Found = TypeVar("Found")


@dataclass
class ClusterLookup:
    """Looks up; `preview` says whether it may do without.

    `unanswered` tells what was not looked up, `denied` what the identity in use may not look up.
    """

    access: ClusterAccess
    preview: bool
    now: datetime
    unanswered: list[str] = field(default_factory=list)
    denied: tuple[str, ...] = ()
    _unreachable: CatalyxDrError | None = None
    _connected: Cluster | None = None

    def volume_sizes(self, specs: Iterable[ValidatorSpec]) -> Mapping[str, Quantity]:
        """Sizes of backup volumes that are there already, by validator; none when that could not be looked up."""
        places = {
            (spec.namespace, ObjectNames.of(spec).volume_claim): spec.name
            for spec in specs
            if spec.backup is not None and spec.backup.volume is not None
        }
        if not places:
            return {}
        sizes = self._ask(
            "sizes of backup volumes",
            next(iter(places))[0],
            lambda cluster: backup_claims.requested_sizes(cluster, places),
            dict[tuple[str, str], Quantity],
        )
        return {places[place]: size for place, size in sizes.items()}

    def findings(self, spec: EnvironmentSpec) -> tuple[Finding, ...]:
        """What the policy finds in the cluster; only a preview asks, since an update is not held up by it."""
        if not self.preview:
            return ()
        nothing: tuple[str, ...] = ()
        facts, self.denied = self._ask(
            "Secrets, workloads, storage classes and other backups",
            spec.validators[0].namespace,
            lambda cluster: observe(cluster, spec),
            lambda: (ClusterFacts(), nothing),
        )
        return cluster_findings(spec, facts, self.now)

    def restore(self, spec: ValidatorSpec, request: RestoreRequest) -> RecoveryPlan:
        """What the restore will do; raises RefusedError for one that cannot be done."""

        def unknown() -> RecoveryPlan:
            plan = RecoveryPlan(request.set)
            return RecoveryPlan(plan.capture, notes=(restore_note(spec, request, plan, self.now),))

        return self._ask(
            f"set {request.set} of {spec.name}",
            spec.namespace,
            lambda cluster: plan_restore(spec, request, ClusterRecords(cluster), self.now, _sight(cluster, spec)),
            unknown,
        )

    def identity_import(self, spec: ValidatorSpec, request: IdentityImportRequest) -> RecoveryPlan:
        """What the identity import will do; raises RefusedError for one that cannot be done."""

        def unknown() -> RecoveryPlan:
            plan = RecoveryPlan(request.dump)
            return RecoveryPlan(plan.capture, notes=(import_note(spec, request, plan, self.now),))

        return self._ask(
            f"dump {request.dump} of {spec.name}",
            spec.namespace,
            lambda cluster: plan_import(spec, request, ClusterRecords(cluster), self.now, _sight(cluster, spec)),
            unknown,
        )

    def _ask(self, what: str, namespace: str, ask: Callable[[Cluster], Found], otherwise: Callable[[], Found]) -> Found:
        """Ask once; a cluster that did not answer the first question is not asked another one."""
        cluster = self._connect(namespace)
        if cluster is not None:
            try:
                return ask(cluster)
            except UnreachableError as error:
                self._unreachable = error
        if not self.preview and self._unreachable:
            raise self._unreachable
        self.unanswered.append(what)
        return otherwise()

    def _connect(self, namespace: str) -> Cluster | None:
        if self._unreachable is not None:
            return None
        try:
            self._connected = self._connected or self.access.connect(namespace)
            return Cluster(self._connected.client, namespace)
        except RefusedError as error:
            self._unreachable = error
            return None

    @property
    def reason(self) -> str:
        """Why something was not looked up."""
        return str(self._unreachable)


def _sight(cluster: Cluster, spec: ValidatorSpec) -> Seen:
    # It loads the store's client, which takes longer than all rules together, and only a recovery needs it.
    from components.recovery_sight import sight

    return sight(cluster, spec)
