"""Brings a validator back under its party with a new participant, from an identity dump (domain 1.4)."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import NoReturn

from pydantic import JsonValue

from catalyx_dr.adapters import validator_deployment, validator_resource, workloads
from catalyx_dr.adapters.cluster import Cluster
from catalyx_dr.adapters.fresh_databases import replace_by_fresh
from catalyx_dr.adapters.http_peer import ONCE
from catalyx_dr.adapters.identity_secrets import replace_bootstrap_secret
from catalyx_dr.adapters.postgres import PostgresServer
from catalyx_dr.adapters.validator_api import ValidatorClient
from catalyx_dr.adapters.waiting import came_true
from catalyx_dr.model.databases import DatabaseRole
from catalyx_dr.model.errors import CatalyxDrError, EndedError, RefusedError, UnprovenError, UnreachableError
from catalyx_dr.model.record import Record, RecordKind, RecordStatus
from catalyx_dr.model.target import CustomResourceTarget, SpliceHelmTarget
from catalyx_dr.model.validator_spec import ValidatorSpec
from catalyx_dr.operations.identity_proof import Proof, prove
from catalyx_dr.operations.import_order import TO_RESOURCE, TO_WORKLOAD, FoundDump, ImportOrder, find_dump
from catalyx_dr.operations.import_preflight import app_of, look, workloads_of
from catalyx_dr.operations.patience import PATIENT, Patience, persistently
from catalyx_dr.operations.progress import Progress, reporting
from catalyx_dr.operations.rebuilt_history import rebuild_dumps
from catalyx_dr.operations.surroundings import Surroundings
from catalyx_dr.rules.database_names import AsideMark, owner_of, replaced_name, suffix_of
from catalyx_dr.rules.identity import custom_resource_patch, expected_party, fingerprint_of, target_values, under_id
from catalyx_dr.rules.identity_history import IDENTIFIER_USED, NEW_IDENTIFIER
from catalyx_dr.rules.identity_preflight import IMPORT_CHECKS, import_verdicts
from catalyx_dr.rules.splice_chart import carries_import, import_changes
from catalyx_dr.rules.verdict import Verdict, overridden, require

__all__ = ["ImportOrder", "import_identities", "preflight"]

_DUMP, _PARTY, _FINGERPRINT, _REPLACED, _VALUES = "dump", "expectedParty", "fingerprint", "replaced", "values"


def import_identities(
    spec: ValidatorSpec,
    order: ImportOrder,
    surroundings: Surroundings,
    cluster: Cluster,
    patience: Patience = PATIENT,
) -> Record:
    """Re-onboard the validator's party.

    A completed request is returned as it was, and nothing is done. One that was cut off after the validator was started
    is only proven again; before that it begins anew, since the network has not heard of it. Raises RefusedError before
    anything is touched, UnprovenError with what to do when the validator did not come back as it should. Databases that
    were there are renamed, never dropped.
    """
    earlier = surroundings.records.find(RecordKind.IDENTITY_IMPORT, spec.name, order.request_id)
    if earlier is not None and earlier.status is RecordStatus.COMPLETED:
        return earlier
    before = earlier.details if earlier else {}
    with reporting(
        RecordKind.IDENTITY_IMPORT, order.request_id, spec.name, surroundings.records, surroundings.now
    ) as progress:
        progress.remember(**before)
        run = _Run(spec, order, surroundings, cluster, patience, progress)
        return run.prove_again() if before.get(IDENTIFIER_USED) else run.from_the_beginning()


def preflight(
    spec: ValidatorSpec, order: ImportOrder, surroundings: Surroundings, cluster: Cluster
) -> tuple[Verdict, ...]:
    """Every verdict on the import, overrides applied; touches nothing. Raises RefusedError when there is no dump."""
    found = find_dump(spec, order, order.dump_id, surroundings, cluster)
    return _verdicts(spec, order, found, surroundings, cluster)


def _verdicts(
    spec: ValidatorSpec, order: ImportOrder, found: FoundDump, surroundings: Surroundings, cluster: Cluster
) -> tuple[Verdict, ...]:
    facts = look(spec, order, found, surroundings, cluster)
    return overridden(import_verdicts(facts), order.overrides, IMPORT_CHECKS)


@dataclass(frozen=True)
class _Run:
    spec: ValidatorSpec
    order: ImportOrder
    surroundings: Surroundings
    cluster: Cluster
    patience: Patience
    progress: Progress

    def from_the_beginning(self) -> Record:
        """All phases."""
        self.progress.phase("preflight", 5)
        earlier = self.progress.record.details.get(_DUMP)
        found = find_dump(self.spec, self.order, str(earlier or self.order.dump_id), self.surroundings, self.cluster)
        self._preflight(found)
        try:
            self._prepare(found)
        except (CatalyxDrError, EndedError) as error:
            self._explain_cut_off(error)
        return self._go_and_prove()

    def prove_again(self) -> Record:
        """For a request whose identifier is used already: whether the validator came back after all."""
        used = self.progress.record.details.get(NEW_IDENTIFIER)
        if used != self.order.new_identifier:
            raise RefusedError(
                f"request {self.order.request_id!r} was started with newParticipantIdentifier {used!r}, not "
                f"{self.order.new_identifier!r}; choose another requestId"
            )
        self.progress.note(f"the validator was started as {used!r} by this request before; only proving it")
        return self._go_and_prove()

    def _preflight(self, found: FoundDump) -> None:
        verdicts = _verdicts(self.spec, self.order, found, self.surroundings, self.cluster)
        self.progress.judge(verdicts, self.order.overrides)
        require(verdicts)
        if found.in_bucket:
            records = self.surroundings.records
            rebuild_dumps(found.in_bucket, self.order.source, self.spec.name, records, self.progress.note)
        metadata = found.dump.metadata
        details: dict[str, JsonValue] = {
            _DUMP: metadata.dump_id,
            NEW_IDENTIFIER: self.order.new_identifier,
            _PARTY: expected_party(metadata),
            _FINGERPRINT: fingerprint_of(metadata.participant_id),
            _VALUES: target_values(self.spec, self.order.new_identifier),
        }
        self.progress.remember(**details)

    def _prepare(self, found: FoundDump) -> None:
        """Stop what runs, set databases aside, lay the dump where the validator reads it, set its Deployment."""
        self.progress.phase("stop the workloads", 15)
        present = [one for one in workloads_of(self.spec) if workloads.exists(self.cluster, one)]
        for workload in present:
            workloads.stop(self.cluster, workload)
        for workload in present:
            workloads.wait_until_gone(self.cluster, workload, self.patience.stopped)
        self.progress.phase("set the databases aside and make fresh ones", 30)
        replaced: dict[str, JsonValue] = {}
        for role in DatabaseRole:
            server = PostgresServer.reach(self.spec.databases.server_of(role), self.surroundings.secrets)
            database = self.spec.databases.of(role)
            aside = replaced_name(role, suffix_of(self.spec, self.order.request_id))
            mark = AsideMark(
                database.name,
                owner_of(self.spec),
                self.surroundings.now(),
                RecordKind.IDENTITY_IMPORT,
                self.order.request_id,
            )
            kept = replace_by_fresh(server, database, aside, mark, self.patience.unused)
            if kept:
                replaced[str(role)] = kept[0]
            self.progress.remember(**{_REPLACED: replaced})
        self.progress.phase("write the bootstrap Secret", 40)
        secret = self.spec.target.bootstrap_secret
        content = under_id(found.dump.content, self.order.moved_to) if self.order.moved_to else found.dump.content
        replace_bootstrap_secret(self.cluster, secret, self.spec.name, content)
        if self._sets_the_workload:
            self.progress.phase("set the values on the validator", 45)
            self._set_deployment()
        elif self._patches_the_resource:
            self.progress.phase("patch the validator's resource", 45)
            self._patch_resource()

    @property
    def _patches_the_resource(self) -> bool:
        return self.order.apply == TO_RESOURCE and isinstance(self.spec.target, CustomResourceTarget)

    def _patch_resource(self) -> None:
        """Patch, and wait until the operator has seen it: what starts without it on fresh databases becomes another."""
        target = self.spec.target
        if not isinstance(target, CustomResourceTarget):
            return
        block = custom_resource_patch(self.spec, self.order.new_identifier)["spec"]
        validator_resource.patch(self.cluster, target, block)
        _until(
            lambda: validator_resource.is_observed(self.cluster, target) is not False,
            self.patience.answer,
            f"the operator has not seen the change of {target.resource_kind} {target.name!r}; look at its log",
        )
        if validator_resource.is_observed(self.cluster, target) is None:
            self.progress.note(f"attention: {target.resource_kind} {target.name!r} does not tell what its operator saw")

    @property
    def _sets_the_workload(self) -> bool:
        return self.order.apply == TO_WORKLOAD and isinstance(self.spec.target, SpliceHelmTarget)

    def _set_deployment(self) -> None:
        target = self.spec.target
        if isinstance(target, SpliceHelmTarget):
            name = target.validator_workload.name
            deployment = validator_deployment.read(self.cluster, name)
            changes = import_changes(deployment, self.order.new_identifier, target.scan_url, target.bootstrap_secret)
            validator_deployment.change(self.cluster, name, changes)

    def _go_and_prove(self) -> Record:
        # From here on the network may come to know the identifier, whatever happens to this run.
        self.progress.remember(**{IDENTIFIER_USED: True})
        try:
            if not self._sets_the_workload and not self._patches_the_resource:
                self._wait_for_a_person()
            self._start()
            return self._prove()
        except (CatalyxDrError, EndedError) as error:
            self._explain_burnt(error)

    def _wait_for_a_person(self) -> None:
        """Say what to set, and wait for it: a validator that starts without it on fresh databases becomes another."""
        self.progress.phase("waiting for the values to be applied", 50)
        values = json.dumps(self.progress.record.details[_VALUES])
        self.progress.note(f"apply these values, and keep them in all later upgrades: {values}")
        _until(
            self._values_are_applied,
            self.patience.person,
            "the values were not applied; apply them, then run the same request again",
        )

    def _values_are_applied(self) -> bool:
        target = self.spec.target
        if not isinstance(target, SpliceHelmTarget):
            return self._is_up()
        deployment = validator_deployment.read(self.cluster, target.validator_workload.name)
        return carries_import(deployment, self.order.new_identifier)

    def _start(self) -> None:
        """The participant first, as it is named last; what others installed and started is only waited for."""
        self.progress.phase("start the workloads", 60)
        present = [one for one in reversed(workloads_of(self.spec)) if workloads.exists(self.cluster, one)]
        for workload in present:
            workloads.start(self.cluster, workload)
        self.progress.phase("wait until the validator is ready", 70)
        _until(
            self._is_up,
            self.patience.ready,
            f"the validator at {self.spec.api.url} is not ready; look at its pods' logs and events",
        )
        workloads.wait_until_ready(self.cluster, present, self.patience.answer)

    def _is_up(self) -> bool:
        """Tell whether the validator is ready; raises UnprovenError when it only starts and ends, again and again."""
        if ValidatorClient(self.spec.api.url, ONCE).is_ready():
            return True
        workloads.check_starts(self.cluster, workloads_of(self.spec))
        return False

    def _prove(self) -> Record:
        self.progress.phase("verify the validator", 90)
        details = self.progress.record.details
        # A validator that has just started refuses for a moment.
        identifier, fingerprint, party = self.order.new_identifier, str(details[_FINGERPRINT]), str(details[_PARTY])
        proof = persistently(
            lambda: prove(self.spec, self.surroundings.secrets, identifier, fingerprint, party), self.patience.answer
        )
        self._check_contracts_came(proof)
        seconds = int((self.surroundings.now() - self.progress.record.started).total_seconds())
        return self.progress.complete(
            f"{proof}; databases set aside: {self._aside}; keep the values in all later upgrades",
            details={**proof.details, "recoverySeconds": seconds},
        )

    def _check_contracts_came(self, proof: Proof) -> None:
        """A crash between party move and contract import is silent: the app comes back ready and empty (domain 4)."""
        restarts = workloads.restarts(self.cluster, app_of(self.spec))
        if restarts and (proof.balance is None or proof.balance.effective_unlocked_qty == 0):
            raise UnprovenError(
                f"the validator app was restarted {restarts} times during the import and "
                f"{'its wallet is empty' if proof.balance else 'no wallet login tells what it holds'}: "
                "it may have crashed after its party moved, and then never imports the contracts"
            )

    def _explain_cut_off(self, error: CatalyxDrError | EndedError) -> NoReturn:
        raise _kind_of_failure(error)(
            f"{error}\nThe network knows nothing of this yet, and {self.order.new_identifier!r} can still be used. "
            "What was stopped stays stopped, so that the validator is not set up anew by accident; run again with "
            f"another requestId, which finishes it. Databases set aside: {self._aside}"
        ) from error

    def _explain_burnt(self, error: CatalyxDrError | EndedError) -> NoReturn:
        used = self.order.new_identifier
        raise _kind_of_failure(error)(
            f"{error}\nIf the validator comes up by itself, run the same request again: it only proves. If not, "
            f"identifier {used!r} is burnt: ask again with another requestId and another newParticipantIdentifier that "
            "was never used (canton-network/splice#752). If the party was moved already (the app's log says so; "
            "'Unknown secret' after 'ValidatorLicense not found' means that its contracts did not follow), the import "
            f"must name the participant that has it now: add movedTo: "
            f"PAR::{used}::{self.progress.record.details.get(_FINGERPRINT)} to the next request. "
            f"Databases set aside: {self._aside}"
        ) from error

    @property
    def _aside(self) -> str:
        replaced = self.progress.record.details.get(_REPLACED)
        names = [str(name) for name in replaced.values()] if isinstance(replaced, dict) else []
        return ", ".join(names) or "none: there were none"


def _kind_of_failure(error: CatalyxDrError | EndedError) -> type[CatalyxDrError]:
    """After something was touched nothing is called a refusal any more."""
    return UnreachableError if isinstance(error, UnreachableError) else UnprovenError


def _until(condition: Callable[[], bool], patience: timedelta, problem: str) -> None:
    if not came_true(condition, patience):
        raise UnreachableError(f"after {int(patience.total_seconds())} s {problem}")
