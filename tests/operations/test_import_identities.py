"""Identity imports: refused before anything is touched, or proven by the validator itself, or told what to do."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from threading import Event, Thread
from typing import Any, cast

import pytest
from psycopg import sql

from catalyx_dr.adapters import access, validator_deployment, validator_resource, workloads
from catalyx_dr.adapters.cluster import Cluster
from catalyx_dr.adapters.fresh_databases import replace_by_fresh
from catalyx_dr.adapters.postgres import PostgresServer
from catalyx_dr.model.api_access import ValidatorApi, WalletLogin
from catalyx_dr.model.backup import DatabaseBackup
from catalyx_dr.model.bucket import BackupBucket
from catalyx_dr.model.databases import Database
from catalyx_dr.model.errors import CatalyxDrError, RefusedError, UnprovenError, UnreachableError
from catalyx_dr.model.record import Record, RecordKind, RecordStatus
from catalyx_dr.model.retention import Retention
from catalyx_dr.model.spec import SecretKey
from catalyx_dr.model.target import CustomResourceTarget, SpliceHelmTarget, Workload
from catalyx_dr.model.validator_spec import IdentityDumps, ValidatorSpec
from catalyx_dr.operations.dump_identities import dump_identities
from catalyx_dr.operations.import_identities import ImportOrder, import_identities
from catalyx_dr.operations.patience import Patience
from catalyx_dr.rules.crash_loop import HOPELESS_RESTARTS
from catalyx_dr.rules.splice_chart import IDENTIFIER_VARIABLE, carries_import, import_changes
from tests.fixtures_identity import (
    FINGERPRINT,
    PARTY,
    WALLET_PASSWORD,
    Keycloak,
    MemoryCluster,
    ValidatorApp,
    apply_json_patch,
    make_dump,
)
from tests.fixtures_validator import Protected, WorkloadLog

SECOND = timedelta(seconds=1)
PATIENCE = Patience(SECOND, 3 * SECOND, SECOND, SECOND, 6 * SECOND)
NEW = "acme-validator-1b"
BOOTSTRAP = "participant-bootstrap-dump"
CUSTOM = CustomResourceTarget.model_validate(
    {"kind": "custom-resource", "api_version": "canton.example/v1", "resource_kind": "Validator", "name": "acme"}
)


@dataclass
class Deployed:
    """The validator's Deployment; `restarted`: how often its container was started again."""

    document: dict[str, Any]
    restarted: int = 0
    changes: list[list[dict[str, Any]]] = field(default_factory=list)

    def read(self, _cluster: object, name: str) -> dict[str, Any]:
        assert name == "validator-app"
        return self.document

    def change(self, _cluster: object, _name: str, operations: list[dict[str, Any]]) -> None:
        if operations:
            self.changes.append(operations)
        self.document = apply_json_patch(self.document, operations)

    def restarts(self, _cluster: object, apps: Sequence[Workload]) -> int:
        assert [app.name for app in apps] == ["validator-app"]
        return self.restarted

    def check_starts(self, _cluster: object, _workloads: object) -> None:
        if self.restarted >= HOPELESS_RESTARTS:
            raise UnprovenError("deployment/validator-app never became ready: CrashLoopBackOff")

    def set_by_hand(self, spec: ValidatorSpec) -> None:
        self.change(None, "", import_changes(self.document, NEW, "http://scan:5012", spec.target.bootstrap_secret))


class StandInWorkloads(WorkloadLog):
    """Workloads whose validator app re-onboards when its Deployment says so."""

    def __init__(self, running: dict[str, bool], app: ValidatorApp, deployed: Deployed) -> None:
        super().__init__(running)
        self.app = app
        self.deployed = deployed
        self.starts = True
        self.reads_dump = True
        self.identifier = NEW

    def start(self, cluster: object, workload: Workload) -> None:
        if not self.starts:
            return
        super().start(cluster, workload)
        self.app.ready = all(self.running.values())
        if (
            self.reads_dump
            and workload.name == "validator-app"
            and carries_import(self.deployed.document, self.identifier)
        ):
            self.app.dump = make_dump(f"PAR::{self.identifier}::{FINGERPRINT}")

    def stop(self, cluster: object, workload: Workload) -> None:
        super().stop(cluster, workload)
        self.app.ready = False


@dataclass
class Lost:
    """A validator with one dump, and everything an import needs."""

    spec: ValidatorSpec
    protected: Protected
    cluster: MemoryCluster
    deployed: Deployed
    workloads: StandInWorkloads
    app: ValidatorApp
    dump_id: str

    def run(self, request: str = "r1", new_identifier: str = NEW, **order: Any) -> Record:
        wanted = ImportOrder(**{"dump_id": "latest", "request_id": request, "new_identifier": new_identifier, **order})
        return import_identities(
            self.spec, wanted, self.protected.surroundings, cast("Cluster", self.cluster), PATIENCE
        )

    def declare(self, **changes: Any) -> None:
        self.spec = self.spec.model_copy(update=changes)

    def record(self, request: str = "r1") -> Record:
        found = self.protected.surroundings.records.find(RecordKind.IDENTITY_IMPORT, self.spec.name, request)
        assert found is not None
        return found

    @property
    def databases(self) -> list[str]:
        return self.protected.server.databases()

    @property
    def untouched(self) -> bool:
        return (
            self.workloads.done == []
            and self.deployed.changes == []
            and BOOTSTRAP not in self.cluster.names
            and not any(name.startswith("replaced") for name in self.databases)
        )

    def lose_databases(self) -> None:
        self.app.ready = False
        for name in ("participant", "cantonnet_validator"):
            self.protected.server.run("postgres", sql.SQL("DROP DATABASE {} WITH (FORCE)"), sql.Identifier(name))


@pytest.fixture
def lost(
    protected: Protected,
    identity_secrets: object,
    memory_cluster: MemoryCluster,
    validator_app: ValidatorApp,
    monkeypatch: pytest.MonkeyPatch,
) -> Lost:
    deployed = Deployed(
        {
            "spec": {
                "template": {
                    "spec": {
                        "containers": [
                            {
                                "name": "validator-app",
                                "env": [{"name": IDENTIFIER_VARIABLE, "value": "acme-validator-1"}],
                            }
                        ]
                    }
                }
            }
        }
    )
    for name in ("read", "change"):
        monkeypatch.setattr(validator_deployment, name, getattr(deployed, name))
    for name in ("restarts", "check_starts"):
        monkeypatch.setattr(workloads, name, getattr(deployed, name))
    stand_ins = StandInWorkloads(dict.fromkeys(("validator-app", "participant"), True), validator_app, deployed)
    for name in ("exists", "stop", "start", "wait_until_gone", "wait_until_ready"):
        monkeypatch.setattr(workloads, name, getattr(stand_ins, name))
    monkeypatch.setattr(access, "denied", stand_ins.denied_rights)
    spec = protected.spec.model_copy(
        update={
            "api": ValidatorApi(url=validator_app.url, wallet_login=WalletLogin()),
            "identity_dump": IdentityDumps(cron="0 * * * *", retention=Retention(keep=3)),
            "target": SpliceHelmTarget(scan_url=validator_app.url),
        }
    )
    record = dump_identities(spec, protected.surroundings, cast("Cluster", memory_cluster))
    return Lost(spec, protected, memory_cluster, deployed, stand_ins, validator_app, record.identifier)


def test_a_lost_validator_comes_back_as_a_new_participant_of_its_party(lost: Lost) -> None:
    lost.lose_databases()

    record = lost.run()

    assert record.status is RecordStatus.COMPLETED
    assert record.details["participantId"] == f"PAR::{NEW}::{FINGERPRINT}"
    assert record.details["partyId"] == PARTY
    assert record.details["balance"] == "1234.5000000000"
    assert (record.details["dump"], record.details["newParticipantIdentifier"]) == (lost.dump_id, NEW)
    assert record.details["replaced"] == {}
    values = cast("dict[str, Any]", record.details["values"])
    assert values["spliceHelm"]["nodeIdentifier"] == NEW
    assert lost.cluster.content(BOOTSTRAP) == lost.cluster.content(f"validator-1-identities-{lost.dump_id}")
    assert carries_import(lost.deployed.document, NEW)
    assert lost.workloads.done == [
        *("stop validator-app", "stop participant", "wait for validator-app", "wait for participant"),
        *("start participant", "start validator-app", "wait for participant", "wait for validator-app"),
    ]
    assert {"participant", "cantonnet_validator"} <= set(lost.databases)
    assert "1234.5" in record.message


def test_present_databases_are_set_aside_and_fresh_ones_are_like_them(lost: Lost) -> None:
    record = lost.run()

    replaced = cast("dict[str, str]", record.details["replaced"])
    assert set(replaced) == {"validator-app", "participant"}
    assert not any(name.startswith("participant") for name in replaced.values())
    server = lost.protected.server
    assert server.value(replaced["participant"], "SELECT count(*) FROM participant.lapi_events") == 3000
    for name in ("participant", "cantonnet_validator"):
        assert server.value(name, "SELECT count(*) FROM pg_tables WHERE schemaname !~ '^pg_|^information'") == 0
        owner = "SELECT datdba::regrole::text FROM pg_database WHERE datname = current_database()"
        assert server.value(name, owner) == "cnadmin"


def test_the_same_request_does_nothing_twice(lost: Lost) -> None:
    first = lost.run()
    lost.workloads.done.clear()
    lost.deployed.changes.clear()
    before = lost.databases
    assert lost.run() == first
    assert (lost.workloads.done, lost.deployed.changes, lost.databases) == ([], [], before)


REFUSED: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({}, {"new_identifier": "acme-validator-1"}, "was used before"),
    ({}, {"dump_id": "20200101t000000z"}, "there is no identity dump 20200101t000000z; available: "),
    ({}, {"dump_id": "yesterday"}, "write latest or an id"),
    ({}, {"new_identifier": "has space"}, "allowed are 1 to 185 letters"),
    ({}, {"source": "volume"}, "allowed: cluster, bucket"),
    ({}, {"apply": "helm"}, "allowed: workload, custom-resource, print"),
    ({}, {"source": "bucket"}, "--age-identity-file"),
    ({}, {"source": "bucket", "age_identity_file": Path("/nowhere")}, "declares no backup.bucket"),
    ({"party_hint": "acme-validator-2"}, {}, "set partyHint: acme-validator-1"),
    ({"migration_id": 7}, {}, "set migrationId: 1"),
    ({"external_kms": True}, {}, "keys cannot go from one kind"),
    ({"workloads": (Workload(name="validator-app"), Workload(name="gone"))}, {}, "deployment/gone not there"),
    ({"target": CUSTOM}, {"apply": "print"}, "delete the Validator 'acme' first"),
    ({"target": CUSTOM}, {}, "delete the Validator 'acme' first"),
    ({}, {"apply": "custom-resource"}, "use apply: workload, or print"),
    ({"onboarding_secret": SecretKey(name="gone", key="secret")}, {}, "Secret gone with key secret is not there"),
]


@pytest.mark.parametrize(("changes", "order", "text"), REFUSED)
def test_refused_before_anything_is_touched(
    lost: Lost, changes: dict[str, Any], order: dict[str, Any], text: str
) -> None:
    lost.declare(**changes)
    with pytest.raises(RefusedError) as caught:
        lost.run(**order)
    assert text in str(caught.value)
    assert lost.untouched


def test_a_dump_without_content_is_refused(lost: Lost) -> None:
    lost.protected.surroundings.secrets.path(f"validator-1-identities-{lost.dump_id}", "content").write_bytes(b"")
    with pytest.raises(RefusedError, match="has no key content"):
        lost.run()
    assert lost.untouched


def test_a_damaged_dump_is_refused(lost: Lost) -> None:
    path = lost.protected.surroundings.secrets.path(f"validator-1-identities-{lost.dump_id}", "content")
    path.write_bytes(path.read_bytes().replace(b"0.7.4", b"0.7.5"))
    with pytest.raises(RefusedError, match="not what was recorded"):
        lost.run()
    assert lost.untouched


def test_changed_metadata_of_a_dump_are_refused(lost: Lost) -> None:
    path = lost.protected.surroundings.secrets.path(f"validator-1-identities-{lost.dump_id}", "metadata.json")
    path.write_bytes(path.read_bytes().replace(b"0.7.4", b"0.7.5"))
    with pytest.raises(UnprovenError, match="are not its record's; choose another dump"):
        lost.run()
    assert lost.untouched


def test_users_who_are_gone_from_keycloak_are_found_before(lost: Lost, keycloak: Keycloak) -> None:
    keycloak.users.clear()
    with pytest.raises(RefusedError, match=r"wallet-login: .*'alice' is missing") as caught:
        lost.run()
    assert WALLET_PASSWORD not in str(caught.value)
    assert lost.untouched


def test_a_user_who_does_not_own_the_databases_is_found_before(lost: Lost) -> None:
    lost.protected.server.run("postgres", sql.SQL("ALTER DATABASE participant OWNER TO postgres"))
    with pytest.raises(RefusedError, match="does not own database 'participant'"):
        lost.run()
    assert lost.untouched


def test_a_database_server_that_is_away_is_found_before(lost: Lost) -> None:
    gone = lost.spec.databases.server.model_copy(update={"port": 1})
    lost.declare(databases=lost.spec.databases.model_copy(update={"server": gone}))
    with pytest.raises(UnreachableError, match="cannot be reached"):
        lost.run()
    assert lost.untouched


def test_an_identifier_of_an_earlier_import_is_burnt(lost: Lost) -> None:
    lost.run()
    with pytest.raises(RefusedError, match="was used before: identity import r1 used it"):
        lost.run("r2")


def test_a_dump_from_before_an_import_is_refused_after_it(lost: Lost) -> None:
    lost.run()
    with pytest.raises(RefusedError, match=f"Scan says that PAR::{NEW}::{FINGERPRINT} has the party"):
        lost.run("r2", "acme-validator-1c", dump_id=lost.dump_id)


def test_a_failed_import_is_told_of_before_the_next(lost: Lost, capsys: pytest.CaptureFixture[str]) -> None:
    lost.declare(target=SpliceHelmTarget(scan_url="http://127.0.0.1:9"))
    lost.app.onboarded = False
    with pytest.raises(UnprovenError):
        lost.run()
    lost.app.onboarded = True
    with pytest.raises(CatalyxDrError):
        lost.run("r2", "acme-validator-1c")
    assert f"warning: party-place: the validator was started as PAR::{NEW}::{FINGERPRINT}" in capsys.readouterr().out


def test_a_refused_request_may_be_corrected_and_run_again(lost: Lost) -> None:
    with pytest.raises(RefusedError):
        lost.run(new_identifier="acme-validator-1")
    assert lost.record().status is RecordStatus.FAILED
    assert lost.run().status is RecordStatus.COMPLETED


def test_a_run_that_is_cut_off_before_the_start_is_finished_by_the_next(lost: Lost) -> None:
    lost.cluster.fail_on = BOOTSTRAP
    with pytest.raises(UnreachableError, match="can still be used") as caught:
        lost.run()
    assert "replaced_participant_" in str(caught.value)
    assert not any(lost.workloads.running.values())
    assert not lost.record().details.get("identifierUsed")

    lost.cluster.fail_on = None
    record = lost.run("r2")

    assert record.status is RecordStatus.COMPLETED
    kept = [name for name in lost.databases if name.startswith("replaced_participant")]
    counts = [
        lost.protected.server.value(name, "SELECT count(*) FROM pg_tables WHERE schemaname = 'participant'")
        for name in kept
    ]
    assert sorted(counts) == [0, 3]


def test_a_database_server_that_crashes_is_told_and_the_same_request_finishes(
    lost: Lost, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = lost.protected.server

    def crashing(at: PostgresServer, database: Database, *given: Any) -> tuple[str, ...]:
        if database.name == "participant":
            server.crash(0)
        return replace_by_fresh(at, database, *given)

    with monkeypatch.context() as patch:
        patch.setattr("catalyx_dr.operations.import_identities.replace_by_fresh", crashing)
        with pytest.raises(UnreachableError, match=r"look at the server and its log(.|\n)*can still be used"):
            lost.run()
    server.wait()

    assert lost.run().status is RecordStatus.COMPLETED


def test_the_same_request_continues_after_a_cut_too(lost: Lost) -> None:
    lost.cluster.fail_on = BOOTSTRAP
    with pytest.raises(CatalyxDrError):
        lost.run()
    lost.cluster.fail_on = None
    replaced = cast("dict[str, str]", lost.run().details["replaced"])
    count = lost.protected.server.value(replaced["participant"], "SELECT count(*) FROM participant.lapi_events")
    assert count == 3000


def test_a_validator_that_does_not_come_up_burns_its_identifier_and_says_what_to_do(lost: Lost) -> None:
    lost.workloads.starts = False
    with pytest.raises(UnreachableError, match="another newParticipantIdentifier") as caught:
        lost.run()
    assert f"PAR::{NEW}::{FINGERPRINT}" in str(caught.value)
    assert lost.record().status is RecordStatus.FAILED
    with pytest.raises(RefusedError, match="was used before"):
        lost.run("r2")

    lost.workloads.done.clear()
    lost.workloads.starts = True
    assert lost.run().status is RecordStatus.COMPLETED
    assert "stop validator-app" not in lost.workloads.done


def test_a_used_request_refuses_another_identifier(lost: Lost) -> None:
    lost.app.onboarded = False
    with pytest.raises(UnprovenError):
        lost.run()
    with pytest.raises(RefusedError, match="choose another requestId"):
        lost.run(new_identifier="acme-validator-1c")


UNPROVEN: list[tuple[dict[str, Any], str]] = [
    ({"party": f"other-1::{FINGERPRINT}"}, "check validatorPartyHint"),
    ({"onboarded": False}, "is not onboarded"),
]


@pytest.mark.parametrize(("said", "text"), UNPROVEN)
def test_what_the_validator_does_not_confirm_is_not_completed(lost: Lost, said: dict[str, Any], text: str) -> None:
    for name, value in said.items():
        setattr(lost.app, name, value)
    with pytest.raises(UnprovenError, match=text):
        lost.run()
    assert lost.record().status is RecordStatus.FAILED


def test_a_validator_that_did_not_read_the_dump_is_not_completed(lost: Lost) -> None:
    lost.workloads.reads_dump = False
    with pytest.raises(UnprovenError, match=f"its identifier should be '{NEW}'"):
        lost.run()


def test_an_empty_wallet_after_a_crash_is_not_completed(lost: Lost) -> None:
    lost.deployed.restarted, lost.app.balance = 1, "0.0000000000"
    with pytest.raises(UnprovenError, match="may have crashed after its party moved"):
        lost.run()


def test_a_validator_that_crashes_again_and_again_is_not_waited_for(lost: Lost) -> None:
    lost.workloads.starts, lost.deployed.restarted = False, HOPELESS_RESTARTS
    with pytest.raises(UnprovenError, match=r"never became ready: CrashLoopBackOff\nIf the validator comes up by"):
        lost.run()


def test_a_restart_with_contracts_in_the_wallet_is_completed(lost: Lost) -> None:
    lost.deployed.restarted = 1
    assert lost.run().status is RecordStatus.COMPLETED


When = Callable[[Callable[[], None]], None]


@pytest.fixture
def when_waited_for(lost: Lost) -> Iterator[When]:
    """Do something as soon as the import waits for a person."""
    ended = Event()
    threads: list[Thread] = []

    def watch(act: Callable[[], None]) -> None:
        while not ended.wait(0.05):
            records = lost.protected.surroundings.records.list(kind=RecordKind.IDENTITY_IMPORT)
            if records and records[0].phase == "waiting for the values to be applied":
                act()
                return

    def start(act: Callable[[], None]) -> None:
        threads.append(Thread(target=watch, args=[act]))
        threads[0].start()

    yield start
    ended.set()
    for thread in threads:
        thread.join()


def test_printed_values_are_waited_for_and_nothing_starts_before(
    lost: Lost, when_waited_for: When, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[dict[str, bool]] = []

    def apply_by_hand() -> None:
        seen.append(dict(lost.workloads.running))
        lost.deployed.set_by_hand(lost.spec)

    when_waited_for(apply_by_hand)
    record = lost.run(apply="print")

    assert record.status is RecordStatus.COMPLETED
    assert seen == [{"validator-app": False, "participant": False}]
    told = capsys.readouterr().out
    assert f'"newParticipantIdentifier": "{NEW}"' in told
    assert make_dump()["keys"][0]["keyPair"] not in told


def test_printed_values_that_nobody_applies_end_the_wait(lost: Lost) -> None:
    with pytest.raises(UnreachableError, match="the values were not applied"):
        lost.run(apply="print")
    assert not any(lost.workloads.running.values())


def test_a_resource_that_was_made_by_hand_and_crashes_is_told_early(lost: Lost) -> None:
    lost.declare(target=CUSTOM)
    lost.lose_databases()
    lost.workloads.running.clear()
    lost.deployed.restarted = HOPELESS_RESTARTS
    with pytest.raises(UnprovenError, match="never became ready"):
        lost.run(apply="print")


def test_the_vendors_resource_is_waited_for(lost: Lost, when_waited_for: When) -> None:
    lost.declare(target=CUSTOM)
    lost.lose_databases()
    lost.workloads.running.clear()

    def recreate() -> None:
        lost.app.dump = make_dump(f"PAR::{NEW}::{FINGERPRINT}")
        lost.app.ready = True

    when_waited_for(recreate)
    record = lost.run(apply="print")

    assert record.status is RecordStatus.COMPLETED
    values = cast("dict[str, Any]", record.details["values"])
    assert values["nodeIdentifier"] == "acme-validator-1"
    assert lost.deployed.changes == []


@dataclass
class StandInResource:
    """The vendor's resource, whose operator starts the validator as the block says once it has seen it."""

    app: ValidatorApp
    running: dict[str, bool]
    sees: bool | None = True
    patches: list[Any] = field(default_factory=list)

    def exists(self, _cluster: object, _target: object) -> bool:
        return True

    def patch(self, _cluster: object, _target: object, spec: Any) -> None:
        assert not any(self.running.values())
        self.patches.append(spec)
        self.app.dump = make_dump(
            f"PAR::{spec['participantIdentitiesDumpImport']['newParticipantIdentifier']}::{FINGERPRINT}"
        )

    def is_observed(self, _cluster: object, _target: object) -> bool | None:
        return self.sees


@pytest.fixture
def resource(lost: Lost, monkeypatch: pytest.MonkeyPatch) -> StandInResource:
    played = StandInResource(lost.app, lost.workloads.running)
    for name in ("exists", "patch", "is_observed"):
        monkeypatch.setattr(validator_resource, name, getattr(played, name))
    lost.declare(target=CUSTOM.model_copy(update={"auto_init_off": {"disableAutoInit": True}}))
    return played


@pytest.mark.parametrize("sees", [True, None])
def test_the_vendors_resource_is_patched_while_the_workloads_stand_still(
    lost: Lost, resource: StandInResource, sees: bool | None
) -> None:
    resource.sees = sees

    record = lost.run(apply="custom-resource")

    assert record.status is RecordStatus.COMPLETED
    assert record.details["participantId"] == f"PAR::{NEW}::{FINGERPRINT}"
    assert resource.patches == [
        {
            "participantIdentitiesDumpImport": {"identitiesSecretName": BOOTSTRAP, "newParticipantIdentifier": NEW},
            "migrateValidatorParty": True,
            "disableAutoInit": True,
        }
    ]


def test_a_crash_is_told_early_of_the_vendors_resource_too(lost: Lost, resource: StandInResource) -> None:
    lost.workloads.starts, lost.deployed.restarted = False, HOPELESS_RESTARTS
    with pytest.raises(UnprovenError, match="never became ready: CrashLoopBackOff"):
        lost.run(apply="custom-resource")


def test_an_empty_wallet_after_a_crash_under_the_vendors_operator_is_not_completed(
    lost: Lost, resource: StandInResource
) -> None:
    lost.deployed.restarted, lost.app.balance = 1, "0.0000000000"
    with pytest.raises(UnprovenError, match="may have crashed after its party moved"):
        lost.run(apply="custom-resource")


def test_the_network_proves_the_vendors_resource_too_where_it_names_scan(lost: Lost, resource: StandInResource) -> None:
    lost.declare(target=lost.spec.target.model_copy(update={"scan_url": lost.app.url}))
    lost.app.hosted_by = f"PAR::elsewhere::{FINGERPRINT}"
    with pytest.raises(RefusedError, match=r"party-place: Scan says that PAR::elsewhere::"):
        lost.run(apply="custom-resource")

    lost.app.hosted_by = None
    proofs = cast("list[str]", lost.run("r2", apply="custom-resource").details["provenBy"])
    assert "scan" in proofs


def test_nothing_is_started_when_the_operator_does_not_see_the_patch(lost: Lost, resource: StandInResource) -> None:
    resource.sees = False

    with pytest.raises(UnreachableError, match="the operator has not seen the change of Validator 'acme'"):
        lost.run(apply="custom-resource")

    assert not any(lost.workloads.running.values())
    assert not lost.record().details.get("identifierUsed")


def test_a_dump_from_the_bucket_alone(lost: Lost, bucket: BackupBucket) -> None:
    lost.declare(backup=DatabaseBackup(cron="0 * * * *", bucket=bucket))
    lost.protected.clock.next_day()
    dumped = dump_identities(lost.spec, lost.protected.surroundings, cast("Cluster", lost.cluster))
    content = lost.cluster.content(f"validator-1-identities-{dumped.identifier}")
    for record in lost.protected.records:
        lost.protected.surroundings.records.delete(record)
    for name in lost.cluster.names:
        lost.cluster.delete_secret(name)
    lost.lose_databases()

    record = lost.run(source="bucket", age_identity_file=lost.protected.identity_file)

    assert record.details["dump"] == dumped.identifier
    assert lost.cluster.content(BOOTSTRAP) == content


def test_a_party_that_scan_sees_elsewhere_is_not_completed(lost: Lost) -> None:
    lost.app.hosted_by = f"PAR::acme-validator-1::{FINGERPRINT}"

    with pytest.raises(UnprovenError, match=r"Scan says that .* is hosted by PAR::acme-validator-1::"):
        lost.run()


def test_an_import_after_a_crash_between_move_and_contracts_names_where_the_party_is_now(lost: Lost) -> None:
    lost.deployed.restarted, lost.app.balance = 1, "0.0000000000"
    moved_to = f"PAR::{NEW}::{FINGERPRINT}"
    with pytest.raises(UnprovenError, match=f"movedTo: {moved_to}"):
        lost.run()
    lost.deployed.restarted, lost.app.balance = 0, "1234.5000000000"

    with pytest.raises(RefusedError, match=f"party-place: Scan says that {moved_to} has the party"):
        lost.run("r2", "acme-validator-1c")

    lost.workloads.identifier = "acme-validator-1c"
    record = lost.run("r2", "acme-validator-1c", moved_to=moved_to)

    assert record.status is RecordStatus.COMPLETED
    imported = json.loads(lost.cluster.content(BOOTSTRAP))
    assert imported == {**make_dump(), "id": moved_to}


def test_history_knows_the_dumps_of_the_bucket_again(lost: Lost, bucket: BackupBucket) -> None:
    lost.declare(backup=DatabaseBackup(cron="0 * * * *", bucket=bucket))
    lost.protected.clock.next_day()
    dumped = dump_identities(lost.spec, lost.protected.surroundings, cast("Cluster", lost.cluster))
    for record in lost.protected.records:
        lost.protected.surroundings.records.delete(record)

    lost.run(source="bucket", age_identity_file=lost.protected.identity_file)

    found = lost.protected.surroundings.records.find(RecordKind.IDENTITY_DUMP, lost.spec.name, dumped.identifier)
    assert found is not None
    assert (found.status, found.locations) == (RecordStatus.COMPLETED, ("bucket",))
