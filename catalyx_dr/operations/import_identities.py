"""Imports an identity dump: a new participant with the old keys takes the validator's party over (domain 1.4)."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from catalyx_dr.adapters import fresh_databases, identity_secrets, validator_deployment, workloads
from catalyx_dr.adapters.bucket_identities import BucketIdentities
from catalyx_dr.adapters.bucket_store import BucketStore
from catalyx_dr.adapters.cluster import Cluster
from catalyx_dr.adapters.encryption import AgeIdentities
from catalyx_dr.adapters.identity_secrets import StoredDump
from catalyx_dr.adapters.keycloak import machine_token, user_token
from catalyx_dr.adapters.postgres import PostgresServer
from catalyx_dr.adapters.validator_api import ValidatorClient
from catalyx_dr.model.errors import CatalyxDrError, RefusedError
from catalyx_dr.model.identity_dump import IdentityDump
from catalyx_dr.model.record import Record, RecordKind, RecordStatus
from catalyx_dr.model.validator_spec import DatabaseRole, SpliceHelmTarget, ValidatorSpec
from catalyx_dr.operations.dump_identities import machine_login
from catalyx_dr.operations.identity_proof import Proof, prove, wallet_login
from catalyx_dr.operations.progress import Progress, reporting
from catalyx_dr.operations.surroundings import Surroundings
from catalyx_dr.rules.identity import expected_party, identifier_of, read_dump, target_values
from catalyx_dr.rules.identity_preflight import ImportFacts, import_verdicts
from catalyx_dr.rules.splice_chart import import_changes
from catalyx_dr.rules.verdict import Outcome, require

_LATEST = "latest"
_STOPPED, _UNUSED = timedelta(minutes=5), timedelta(minutes=2)
_READY, _PROVEN = timedelta(minutes=15), timedelta(minutes=5)
# A person sets the values at their own pace.
_SET_BY_HAND = timedelta(hours=4)


@dataclass(frozen=True)
class ImportOrder:
    """What is to be imported. `dump_id`: an id or `latest`; the same `request_id` never runs twice."""

    dump_id: str
    request_id: str
    new_identifier: str
    source: str = "cluster"
    apply: str = "workload"
    age_identity_file: Path | None = None


def import_identities(
    spec: ValidatorSpec, order: ImportOrder, surroundings: Surroundings, cluster: Cluster
) -> Record:
    """Import a dump; a completed request is returned as it was, one that was cut off is run again.

    Raises RefusedError before anything is touched; databases that were there are renamed, never dropped.
    """
    earlier = surroundings.records.find(RecordKind.IDENTITY_IMPORT, spec.name, order.request_id)
    if earlier is not None and earlier.status is RecordStatus.COMPLETED:
        return earlier
    with reporting(
        RecordKind.IDENTITY_IMPORT, order.request_id, spec.name, surroundings.records, surroundings.now
    ) as progress:
        return _Run(spec, order, surroundings, cluster, progress).go()


@dataclass(frozen=True)
class _Run:
    spec: ValidatorSpec
    order: ImportOrder
    surroundings: Surroundings
    cluster: Cluster
    progress: Progress

    def go(self) -> Record:
        """Go through all phases."""
        self.progress.phase("preflight", 2)
        stored = self._stored_dump()
        dump = read_dump(stored.content)
        self._preflight(stored, dump)
        self.progress.remember(
            dumpId=stored.metadata.dump_id,
            newParticipantIdentifier=self.order.new_identifier,
            values=target_values(self.spec, self.order.new_identifier),
        )
        self._stop()
        kept = self._fresh_databases()
        self.progress.phase("write the bootstrap Secret", 45)
        identity_secrets.replace_bootstrap_secret(
            self.cluster, self.spec.target.bootstrap_secret, self.spec.name, stored.content
        )
        self._set_values()
        self._start()
        proof = self._verify(stored, dump)
        aside = ", ".join(kept) or "none: there were none"
        return self.progress.complete(f"{proof}; databases set aside: {aside}", details=proof.details)

    def _stored_dump(self) -> StoredDump:
        if self.order.source == "bucket":
            return self._dump_of_bucket()
        wanted = self.order.dump_id
        if wanted == _LATEST:
            records = self.surroundings.records.list(self.spec.name, RecordKind.IDENTITY_DUMP)
            proven = [one.identifier for one in records if one.status is RecordStatus.COMPLETED]
            wanted = _newest(proven)
        return identity_secrets.read_dump_secret(self.cluster, self.surroundings.secrets, self.spec.name, wanted)

    def _dump_of_bucket(self) -> StoredDump:
        bucket = self.spec.backup.bucket if self.spec.backup else None
        if bucket is None or self.order.age_identity_file is None:
            raise RefusedError("source bucket needs backup.bucket in the stack and the private age identity")
        identities = BucketIdentities(
            BucketStore.reach(bucket, self.surroundings.secrets), self.spec.object_prefix
        )
        wanted = self.order.dump_id
        if wanted == _LATEST:
            wanted = _newest([metadata.dump_id for metadata in identities.published()])
        content = identities.content(wanted, AgeIdentities.read(self.order.age_identity_file))
        return StoredDump(content, identities.metadata(wanted))

    def _preflight(self, stored: StoredDump, dump: IdentityDump) -> None:
        participant = self.spec.databases.participant
        present = fresh_databases.participant_ids(self._server(DatabaseRole.PARTICIPANT), participant)
        facts = ImportFacts(
            spec=self.spec,
            new_identifier=self.order.new_identifier,
            content=stored.content,
            dump=dump,
            metadata=stored.metadata,
            used_identifiers=self._used(present),
            present_participant_id=present.get(participant.name),
            missing_workloads=tuple(
                str(one) for one in self.spec.workloads if not workloads.exists(self.cluster, one)
            ),
            answers_now=ValidatorClient(self.spec.api.url).is_ready(),
            login_faults=self._login_faults(),
            wallet_login_declared=self.spec.api.wallet_login is not None,
            now=self.surroundings.now(),
        )
        verdicts = import_verdicts(facts)
        for verdict in verdicts:
            if verdict.outcome is Outcome.WARNING:
                self.progress.note(str(verdict))
        require(verdicts)
        for role in DatabaseRole:
            found = fresh_databases.obstacles(self._server(role), self.spec.databases.of(role))
            if found:
                raise RefusedError("; ".join(found))

    def _used(self, present: dict[str, str]) -> dict[str, str]:
        """Identifiers known to be burnt; those of this very request may be tried no second time either."""
        used = {identifier_of(participant): f"database {name}" for name, participant in present.items()}
        for record in self.surroundings.records.list(self.spec.name, RecordKind.IDENTITY_IMPORT):
            identifier = record.details.get("newParticipantIdentifier")
            if identifier is not None and record.identifier != self.order.request_id:
                used[str(identifier)] = f"identity import {record.identifier}"
        return used

    def _login_faults(self) -> dict[str, str]:
        secrets = self.surroundings.secrets
        faults = {"machine": _fault(lambda: machine_token(machine_login(self.spec, secrets)))}
        login = wallet_login(self.spec, secrets)
        if login is not None:
            faults["wallet"] = _fault(lambda: user_token(login))
        return {name: fault for name, fault in faults.items() if fault}

    def _stop(self) -> None:
        self.progress.phase("stop the workloads", 15)
        present = [one for one in self.spec.workloads if workloads.exists(self.cluster, one)]
        for workload in present:
            workloads.stop(self.cluster, workload)
        for workload in present:
            workloads.wait_until_gone(self.cluster, workload, _STOPPED)

    def _fresh_databases(self) -> list[str]:
        self.progress.phase("set the databases aside and make fresh ones", 30)
        kept: list[str] = []
        for role in DatabaseRole:
            database = self.spec.databases.of(role)
            kept += fresh_databases.replace_by_fresh(
                self._server(role), role, database, self.order.request_id, _UNUSED
            )
        return kept

    def _set_values(self) -> None:
        self.progress.phase("set the values on the validator", 55)
        target = self.spec.target
        if self._by_hand or not isinstance(target, SpliceHelmTarget):
            self.progress.note(f"set these values yourself now: {target_values(self.spec, self.order.new_identifier)}")
            return
        name = target.validator_workload.name
        deployment = validator_deployment.read(self.cluster, name)
        changes = import_changes(deployment, self.order.new_identifier, target.scan_url, target.bootstrap_secret)
        validator_deployment.change(self.cluster, name, changes)

    def _start(self) -> None:
        self.progress.phase("start the workloads", 65)
        present = [one for one in self.spec.workloads if workloads.exists(self.cluster, one)]
        for workload in present:
            workloads.start(self.cluster, workload)
        for workload in () if self._by_hand else present:
            workloads.wait_until_ready(self.cluster, workload, _READY)

    def _verify(self, stored: StoredDump, dump: IdentityDump) -> Proof:
        self.progress.phase("verify the validator", 85)
        # A validator that has just started refuses for a moment.
        attempts = Retrying(
            stop=stop_after_delay(_SET_BY_HAND if self._by_hand else _PROVEN),
            wait=wait_fixed(2),
            retry=retry_if_exception_type(CatalyxDrError),
            reraise=True,
        )
        secrets, identifier = self.surroundings.secrets, self.order.new_identifier
        party = expected_party(stored.metadata)
        return attempts(prove, self.spec, secrets, identifier, dump.fingerprint, party)

    @property
    def _by_hand(self) -> bool:
        return self.order.apply == "print" or not isinstance(self.spec.target, SpliceHelmTarget)

    def _server(self, role: DatabaseRole) -> PostgresServer:
        return PostgresServer.reach(self.spec.databases.server_of(role), self.surroundings.secrets)


def _newest(identifiers: list[str]) -> str:
    if not identifiers:
        raise RefusedError("there is no proven identity dump; name one that catalyx-dr history lists")
    return max(identifiers)


def _fault(attempt: Callable[[], object]) -> str:
    try:
        attempt()
    except CatalyxDrError as error:
        return str(error)
    return ""
