"""Puts claims that a restore made in the place of those in use, or takes that back; all volumes are kept.

A claim cannot be renamed, and a StatefulSet asks for its claim by name: so both volumes are set to outlive their
claims, both claims deleted, and the name made again for the restored volume. What is planned is in the record before
anything is touched, so that the same command goes on where an earlier one was cut off.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from catalyx_dr.adapters import workloads
from catalyx_dr.adapters.claim_volumes import BoundClaim, ClaimVolumes
from catalyx_dr.adapters.cluster import Cluster
from catalyx_dr.adapters.records import RecordStore
from catalyx_dr.adapters.run_lease import Held, RunLeases
from catalyx_dr.model.errors import MissingError, RefusedError
from catalyx_dr.model.record import Record, RecordKind
from catalyx_dr.model.snapshot_set import SWITCH, SWITCH_BACK, SwitchMarks
from catalyx_dr.model.spec import Spec
from catalyx_dr.model.target import Workload
from catalyx_dr.model.validator_spec import ValidatorSpec
from catalyx_dr.operations.snapshot_restore import SERVERS, claims_of


class SwitchStep(Spec):
    """One claim: what stands behind it (nothing when it was lost), and what shall."""

    name: str
    stateful_set: str
    replaced: BoundClaim | None
    restored: BoundClaim


class SwitchPlan(Spec):
    """All claims of a restore."""

    steps: tuple[SwitchStep, ...]

    @property
    def servers(self) -> tuple[Workload, ...]:
        """The StatefulSets that use the claims."""
        return tuple(
            Workload(kind="StatefulSet", name=name) for name in sorted({one.stateful_set for one in self.steps})
        )

    @property
    def kept(self) -> str:
        """Volumes of the claims that are replaced."""
        return ", ".join(step.replaced.volume for step in self.steps if step.replaced) or "none: there were none"


@dataclass(frozen=True)
class ClaimSwitch:
    """The switch to the claims of one restore; `back`: to the volumes that the switch replaced."""

    spec: ValidatorSpec
    request_id: str
    records: RecordStore
    leases: RunLeases
    cluster: Cluster
    say: Callable[[str], None]
    patience: timedelta = timedelta(minutes=15)
    back: bool = False

    @property
    def _volumes(self) -> ClaimVolumes:
        return ClaimVolumes(self.cluster, self.patience)

    @property
    def _marks(self) -> SwitchMarks:
        return SWITCH_BACK if self.back else SWITCH

    def plan(self) -> SwitchPlan:
        """What will be done, or is being done; raises RefusedError when there is nothing to switch to."""
        record = self._record()
        if self.back:
            return self._plan_back(record)
        if SWITCH_BACK.planned in record.details:
            raise RefusedError(
                f"the switch to the claims of restore {self.request_id} was taken back; restore again, with another "
                "request id"
            )
        if SWITCH.planned in record.details:
            return SwitchPlan.model_validate(record.details[SWITCH.planned])
        servers = record.details.get(SERVERS)
        steps = []
        for name, made in claims_of(record).items():
            restored = self._volumes.bound(made)
            if restored is None or not isinstance(servers, dict):
                raise RefusedError(f"claim {made} is not there any more; restore again, with another request id")
            steps.append(
                SwitchStep(
                    name=name,
                    stateful_set=str(servers[name]),
                    replaced=self._volumes.bound(name),
                    restored=restored,
                )
            )
        return SwitchPlan(steps=tuple(steps))

    def _plan_back(self, record: Record) -> SwitchPlan:
        if SWITCH_BACK.planned in record.details:
            return SwitchPlan.model_validate(record.details[SWITCH_BACK.planned])
        if not record.details.get(SWITCH.done):
            raise RefusedError(
                f"the claims of restore {self.request_id} were not switched to; finish an interrupted switch by the "
                "same command without --back"
            )
        steps = []
        for step in SwitchPlan.model_validate(record.details[SWITCH.planned]).steps:
            if step.replaced is None or not self._volumes.is_there(step.replaced.volume):
                what = step.replaced.volume if step.replaced else "none: there was none"
                raise RefusedError(f"the volume that claim {step.name} had before is not there any more: {what}")
            now = self._volumes.bound(step.name)
            steps.append(step.model_copy(update={"replaced": now, "restored": step.replaced}))
        return SwitchPlan(steps=tuple(steps))

    def apply(self) -> Record:
        """Stop what uses the claims, switch, start all again; returns the restore's record, which tells of it.

        Raises RefusedError while a backup or another switch goes on: a set would be of two states, or a claim that is
        in use already be deleted.
        """
        with self.leases.only_run(self.spec.name) as held:
            return self._apply(self.plan(), held)

    def _apply(self, plan: SwitchPlan, held: Held) -> Record:
        record = self._record()
        if record.details.get(self._marks.done):
            self.say("this was done before; nothing is left to do")
            return record
        self._save(record, {self._marks.planned: plan.model_dump(mode="json")})
        self._keep(plan)
        users = (*self.spec.workloads, *plan.servers)
        for workload in users:
            self.say(f"stop {workload}")
            workloads.stop(self.cluster, workload)
            workloads.wait_until_gone(self.cluster, workload, self.patience)
        for step in plan.steps:
            held.check()
            self._switch(step)
        for workload in reversed(users):
            self.say(f"start {workload}")
            workloads.start(self.cluster, workload)
            workloads.wait_until_ready(self.cluster, (workload,), self.patience)
        for step in plan.steps:
            self._volumes.reclaim(step.restored.volume, step.restored.reclaim_policy)
        what = "former claims again" if self.back else "restored claims"
        self.say(f"the validator uses the {what}; volumes of those before are kept: {plan.kept}")
        told = f"{record.message}; {'switched back' if self.back else 'switched to'}; volumes kept: {plan.kept}"
        return self._save(self._record(), {self._marks.done: True}, told)

    def _keep(self, plan: SwitchPlan) -> None:
        """Before anything is stopped: a StatefulSet may delete its claims when it is scaled down."""
        for step in plan.steps:
            for claim in (step.restored, step.replaced):
                if claim is not None:
                    self._volumes.keep(claim.volume)

    def _switch(self, step: SwitchStep) -> None:
        volumes = self._volumes
        if not volumes.has(step.name, step.restored.volume):
            self.say(f"claim {step.name} gets volume {step.restored.volume}")
            volumes.release(step.restored.name)
            volumes.release(step.name)
        volumes.bind(step.restored, step.name, step.replaced.labels if step.replaced else {})

    def _record(self) -> Record:
        record = self.records.find(RecordKind.RESTORE, self.spec.name, self.request_id)
        if record is None:
            raise MissingError(f"validator {self.spec.name} has no restore {self.request_id}; see catalyx-dr history")
        return record

    def _save(self, record: Record, details: dict[str, object], message: str | None = None) -> Record:
        """Keep both at once: what is half told would be told again."""
        changed = record.model_copy(
            update={"details": {**record.details, **details}, "message": message or record.message}
        )
        self.records.save(changed)
        return changed
