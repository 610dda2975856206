"""Backup by snapshots against the official snapshot controller and sidecars, with real PostgreSQL servers."""

import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from unittest.mock import Mock

import pytest

from catalyx_dr.adapters.cluster import connect
from catalyx_dr.adapters.run_lease import ClusterLeases
from catalyx_dr.adapters.volume_snapshots import MANIFEST_ANNOTATION, published
from catalyx_dr.model.databases import ServerVolume
from catalyx_dr.model.environment_spec import VerdictOverride
from catalyx_dr.model.errors import RefusedError, UnprovenError, UnreachableError
from catalyx_dr.model.proofs import Verification
from catalyx_dr.model.record import Record, RecordKind, RecordStatus
from catalyx_dr.model.snapshot_set import SnapshotManifest
from catalyx_dr.model.validator_spec import ValidatorSpec
from catalyx_dr.operations.claim_switch import ClaimSwitch, SwitchPlan
from catalyx_dr.operations.restore import RestoreOrder
from catalyx_dr.operations.snapshot_backup import snapshot
from catalyx_dr.operations.snapshot_drill import drill_snapshots
from catalyx_dr.operations.snapshot_preflight import preflight
from catalyx_dr.operations.snapshot_restore import restore_snapshots
from catalyx_dr.operations.verify import verify
from catalyx_dr.rules.ownership import MANIFEST_DIGEST
from catalyx_dr.rules.verdict import Outcome
from components.permissions import backup_rules, drill_rules, recovery_rules, verification_rules
from dev.cluster import kubeconfig_path
from dev.cluster.lifecycle import external_kubeconfig
from dev.cluster.waiting import wait_until
from tests.fixtures_identity import import_that_runs
from tests.fixtures_postgres import PARTICIPANT_ID
from tests.local_cluster.database_servers import TEST_PATIENCE, Servers
from tests.local_cluster.pods import Kubectl, namespace_of

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(external_kubeconfig() is not None, reason="needs the local cluster's driver"),
]


@pytest.fixture(scope="module")
def make_servers(kubectl: Kubectl, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[bool], Servers]]:
    cluster = connect(namespace_of(kubectl), str(kubeconfig_path()))

    def make(both: bool) -> Servers:
        servers = Servers(kubectl, cluster, tmp_path_factory.mktemp("servers"), both)
        servers.make()
        return servers

    yield make
    cluster.client.close()


@pytest.fixture(scope="module")
def one_server(make_servers: Callable[[bool], Servers]) -> Servers:
    return make_servers(True)


@pytest.fixture(scope="module")
def two_servers(make_servers: Callable[[bool], Servers]) -> Servers:
    return make_servers(False)


def forget(servers: Servers) -> None:
    """Nothing of earlier tests is left in the namespace."""
    servers.kubectl("delete", "volumesnapshots,configmaps", "--selector=catalyx-dr/validator=acme")
    servers.clock.next_day()


def test_one_server_is_one_snapshot(one_server: Servers) -> None:
    forget(one_server)
    record = snapshot(one_server.spec(), one_server.surroundings, one_server.store)
    assert record.status is RecordStatus.COMPLETED
    assert record.locations == ("snapshot",)
    (manifest,) = published(one_server.store.found())
    (taken,) = manifest.snapshots
    assert taken.name == f"acme-{record.identifier}-databases"
    assert (taken.claim, taken.stateful_set) == ("pg-data-both-pg-0", "both-pg")
    assert str(taken.claim_size) == "400Mi"
    assert taken.source.access_modes == ("ReadWriteOnce",)
    assert manifest.participant_id == PARTICIPANT_ID
    assert [state.filled_tables for state in manifest.databases] == [(), ("participant.lapi_events",)]
    assert record.details["ledgerOffsets"] == {"validator-app": 200, "participant": 200}


def test_two_servers_are_snapshotted_app_first(two_servers: Servers) -> None:
    forget(two_servers)
    snapshot(two_servers.spec(), two_servers.surroundings, two_servers.store)
    (manifest,) = published(two_servers.store.found())
    app, participant = manifest.snapshots
    assert [part.claim for part in manifest.snapshots] == ["pg-data-app-pg-0", "pg-data-participant-pg-0"]
    assert app.ready <= participant.asked
    assert app.taken <= participant.taken


def test_an_app_that_is_ahead_is_not_published_and_nothing_stays(two_servers: Servers) -> None:
    forget(two_servers)
    two_servers.run("participant-pg", "participant", "UPDATE participant.lapi_parameters SET ledger_end = 199")
    try:
        with pytest.raises(UnprovenError, match="ingested offset 200, but the participant's ledger ends at 199"):
            snapshot(two_servers.spec(), two_servers.surroundings, two_servers.store)
    finally:
        two_servers.run("participant-pg", "participant", "UPDATE participant.lapi_parameters SET ledger_end = 200")
    assert two_servers.store.found() == []
    (record,) = two_servers.surroundings.records.list("acme", RecordKind.BACKUP_SET)
    assert (record.status, record.phase) == (RecordStatus.FAILED, "prove the order")


def test_a_participant_that_an_import_brings_up_is_in_no_set(
    two_servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    forget(two_servers)
    other = PARTICIPANT_ID.replace("validator-1", "validator-1b")
    with monkeypatch.context() as patch:
        patch.setattr("catalyx_dr.adapters.canton_database.participant_id", Mock(side_effect=[PARTICIPANT_ID, other]))
        with pytest.raises(UnprovenError, match=f"{PARTICIPANT_ID} was replaced by {other} while the set was taken"):
            snapshot(two_servers.spec(), two_servers.surroundings, two_servers.store)
    records = two_servers.surroundings.records
    records.save(import_that_runs("acme", PARTICIPANT_ID, two_servers.clock()))
    two_servers.clock.shift += timedelta(minutes=1)
    with pytest.raises(UnprovenError, match=r"identity import r1 .* has not proven it yet"):
        snapshot(two_servers.spec(), two_servers.surroundings, two_servers.store)
    assert two_servers.store.found() == []


def test_retention_keeps_the_newest_and_their_records(one_server: Servers) -> None:
    forget(one_server)
    taken = []
    for _ in range(3):
        one_server.clock.next_day()
        taken.append(snapshot(one_server.spec(), one_server.surroundings, one_server.store).identifier)
    assert [manifest.set_id for manifest in published(one_server.store.found())] == [taken[2], taken[1]]
    records = one_server.surroundings.records.list("acme", RecordKind.BACKUP_SET)
    assert [record.identifier for record in records] == [taken[2], taken[1]]


def test_a_class_that_is_not_there_fails_with_the_controllers_words(one_server: Servers) -> None:
    forget(one_server)
    spec = one_server.spec("missing", ready_within=timedelta(seconds=5))
    with pytest.raises(UnreachableError, match=r"is not ready: .*missing"):
        snapshot(spec, one_server.surroundings, one_server.store)
    assert one_server.store.found() == []


def test_a_claim_that_is_not_there_is_refused_before_anything(one_server: Servers) -> None:
    forget(one_server)
    spec = one_server.spec()
    wrong = ServerVolume(claim="pg-data-nobody-0", stateful_set="both-pg")
    server_there = spec.databases.server.model_copy(update={"volume": wrong})
    spec = spec.model_copy(update={"databases": spec.databases.model_copy(update={"server": server_there})})
    with pytest.raises(RefusedError, match="pg-data-nobody-0"):
        snapshot(spec, one_server.surroundings, one_server.store)
    assert one_server.store.found() == []


def test_what_a_killed_run_left_goes_and_what_somebody_deleted_is_told(two_servers: Servers) -> None:
    forget(two_servers)
    first = snapshot(two_servers.spec(), two_servers.surroundings, two_servers.store)
    two_servers.store.create("acme-20200101t000000z-databases", "20200101t000000z", "pg-data-app-pg-0", "standard")
    two_servers.store.delete(f"acme-{first.identifier}-validator-app")
    two_servers.clock.next_day()
    second = snapshot(two_servers.spec(), two_servers.surroundings, two_servers.store)
    assert {found.set_id for found in two_servers.store.found()} == {second.identifier}
    assert f"attention: set {first.identifier} lost its VolumeSnapshots" in second.message
    record = two_servers.surroundings.records.find(RecordKind.BACKUP_SET, "acme", first.identifier)
    assert record is None or not record.is_sound_in("snapshot")


def test_a_run_that_was_cut_off_at_its_end_took_a_set_and_what_it_began_to_remove_goes(two_servers: Servers) -> None:
    forget(two_servers)
    records, taken = two_servers.surroundings.records, []
    for _ in range(2):
        taken.append(snapshot(two_servers.spec(), two_servers.surroundings, two_servers.store))
        two_servers.clock.next_day()
    removed, cut_off = taken
    records.save(removed.without("snapshot"))
    two_servers.store.delete(f"acme-{removed.identifier}-participant")
    running = {"status": RecordStatus.RUNNING, "phase": "remove by retention", "locations": (), "details": {}}
    records.save(cut_off.model_copy(update=running))
    last = snapshot(two_servers.spec(), two_servers.surroundings, two_servers.store)
    assert {found.set_id for found in two_servers.store.found()} == {cut_off.identifier, last.identifier}
    concluded = records.find(RecordKind.BACKUP_SET, "acme", cut_off.identifier)
    assert concluded is not None
    assert concluded.is_sound_in("snapshot")
    assert concluded.details == cut_off.details


def test_a_verification_finds_what_is_gone(two_servers: Servers) -> None:
    forget(two_servers)
    sound = snapshot(two_servers.spec(), two_servers.surroundings, two_servers.store)
    two_servers.clock.next_day()
    lost = snapshot(two_servers.spec(), two_servers.surroundings, two_servers.store)
    spec = two_servers.spec().model_copy(update={"verification": Verification(cron="0 3 * * 0")})
    with two_servers.allowed("verify", verification_rules(spec)) as job:
        assert verify(spec, job.surroundings, job.cluster).status is RecordStatus.COMPLETED
        two_servers.store.delete(f"acme-{lost.identifier}-validator-app")
        two_servers.clock.next_day()
        with pytest.raises(UnprovenError, match=f"VolumeSnapshot acme-{lost.identifier}-validator-app is not there"):
            verify(spec, job.surroundings, job.cluster)
    records = {one.identifier: one for one in two_servers.surroundings.records.list("acme", RecordKind.BACKUP_SET)}
    assert records[sound.identifier].is_sound_in("snapshot")
    assert not records[lost.identifier].is_sound_in("snapshot")


def test_a_snapshot_that_is_not_ready_is_told_and_not_marked(two_servers: Servers) -> None:
    forget(two_servers)
    taken = snapshot(two_servers.spec(), two_servers.surroundings, two_servers.store)
    spec = two_servers.spec().model_copy(update={"verification": Verification(cron="0 3 * * 0")})
    name = f"acme-{taken.identifier}-validator-app"
    two_servers.kubectl("delete", "volumesnapshot", name)
    two_servers.store.create(name, taken.identifier, "pg-data-app-pg-0", "missing")

    def told() -> bool:
        return bool(two_servers.store.find(name).error)

    wait_until(told, "the controller's words", 60, "")
    with pytest.raises(UnprovenError, match=f"VolumeSnapshot {name} is not ready: .*missing"):
        verify(spec, two_servers.surroundings, two_servers.cluster)
    record = two_servers.surroundings.records.find(RecordKind.BACKUP_SET, "acme", taken.identifier)
    assert record is not None
    assert record.is_sound_in("snapshot")
    # It may become ready, but nobody would choose it now.
    assert published(two_servers.store.found()) == []


def restored(servers: Servers, request: str, selector: str = "latest") -> Record:
    order = RestoreOrder(selector, request, "snapshot")
    return restore_snapshots(servers.spec(), order, servers.surroundings, servers.cluster, servers.store, TEST_PATIENCE)


def rows(servers: Servers) -> tuple[int, int]:
    app, participant = servers.names
    with servers.connection(app, "cantonnet_validator") as connection:
        first = connection.execute("SELECT count(*) FROM validator.user_wallet_acs_store").fetchone()
    with servers.connection(participant, "participant") as connection:
        second = connection.execute("SELECT count(*) FROM participant.lapi_events").fetchone()
    assert first is not None
    assert second is not None
    return int(first[0]), int(second[0])


def claims(servers: Servers) -> set[str]:
    found = servers.kubectl("get", "pvc", "-o=jsonpath={.items[*].metadata.name}").stdout.split()
    return {name for name in found if any(part in name for part in (*servers.names, "acme-"))}


def pods(servers: Servers) -> str:
    return servers.kubectl("get", "pods", "--selector=catalyx-dr/validator=acme", "-o=name").stdout


def lose_rows(servers: Servers) -> None:
    servers.run(servers.names[0], "cantonnet_validator", "DELETE FROM validator.user_wallet_acs_store")
    servers.run(servers.names[1], "participant", "DELETE FROM participant.lapi_events")


def switch_of(servers: Servers, request: str, back: bool = False) -> ClaimSwitch:
    records, cluster = servers.surroundings.records, servers.cluster
    return ClaimSwitch(servers.spec(), request, records, ClusterLeases(cluster), cluster, print, TEST_PATIENCE, back)


@contextmanager
def volumes_removed(servers: Servers, plan: SwitchPlan) -> Iterator[list[str]]:
    """The volumes of a switch; afterwards those that no claim has any more go."""
    volumes = [one.volume for step in plan.steps for one in (step.restored, step.replaced) if one]
    try:
        yield volumes
    finally:
        for volume in volumes:
            servers.kubectl("patch", "pv", volume, '-p={"spec":{"persistentVolumeReclaimPolicy":"Delete"}}')


def volume_state(servers: Servers, volume: str) -> str:
    policy = "-o=jsonpath={.spec.persistentVolumeReclaimPolicy} {.status.phase}"
    return servers.kubectl("get", "pv", volume, policy).stdout


def test_a_set_is_restored_beside_the_present_and_switched_to_and_back(two_servers: Servers) -> None:
    servers = two_servers
    forget(servers)
    snapshot(servers.spec(), servers.surroundings, servers.store)
    before = claims(servers)
    lose_rows(servers)

    record = restored(servers, "lost-rows")
    assert record.details["participantId"] == PARTICIPANT_ID
    assert record.details["rows"] == 500 + 3 + 3000 + 2
    made = record.details["claims"]
    assert isinstance(made, dict)
    assert claims(servers) == before | {str(name) for name in made.values()}
    assert pods(servers) == ""
    assert rows(servers) == (0, 0)  # the present ones were not touched
    assert restored(servers, "lost-rows") == record  # the same request does nothing again

    switch = switch_of(servers, "lost-rows")
    plan = switch.plan()
    with pytest.raises(RefusedError, match="were not switched to"):
        switch_of(servers, "lost-rows", back=True).plan()
    with volumes_removed(servers, plan):
        with switch.leases.only_run("acme"), pytest.raises(RefusedError, match="another backup or recovery"):
            switch.apply()
        assert rows(servers) == (0, 0)  # nothing was stopped
        switch.apply()
        assert rows(servers) == (500, 3000)
        assert claims(servers) == before
        assert {volume_state(servers, step.replaced.volume) for step in plan.steps if step.replaced} == {
            "Retain Released"
        }
        assert {volume_state(servers, step.restored.volume) for step in plan.steps} == {"Delete Bound"}
        assert switch.apply().details["switched"] is True  # once more does nothing

        back = switch_of(servers, "lost-rows", back=True)
        back.apply()
        assert rows(servers) == (0, 0)
        assert claims(servers) == before
        assert {volume_state(servers, step.restored.volume) for step in plan.steps} == {"Retain Released"}
        with pytest.raises(RefusedError, match="was taken back"):
            switch_of(servers, "lost-rows").plan()


def killed(
    servers: Servers, spec: ValidatorSpec, operation: str, request: str, *kinds: str, after: float | None = None
) -> bool:
    """Run it in a process of its own; tells whether it was killed, after a write or `after` seconds, or ended well."""
    folder, root = servers.surroundings.scratch, Path(__file__).parents[2]
    given = [operation, spec.model_dump_json(), str(folder), servers.clock().isoformat(), request, *kinds]
    command = [sys.executable, "-m", "tests.local_cluster.killed_snapshot_run", *given]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    try:
        ended = subprocess.run(
            command, cwd=root, env=environment, capture_output=True, text=True, check=False, timeout=after
        )
    except subprocess.TimeoutExpired:  # which kills it
        return True
    assert ended.returncode in (0, -signal.SIGKILL), ended.stdout + ended.stderr
    return ended.returncode != 0


def test_what_is_killed_after_any_write_is_completed_by_the_next_run_and_no_volume_is_lost(
    one_server: Servers,
) -> None:
    forget(one_server)
    snapshot(one_server.spec(), one_server.surroundings, one_server.store)
    spec, before, kills = one_server.spec(), claims(one_server), 0
    lose_rows(one_server)
    assert killed(one_server, spec, "restore", "given-up", "Pod")
    assert "acme-restored-databases" in pods(one_server)
    while killed(one_server, spec, "restore", "killed", "PersistentVolumeClaim", "Pod"):
        kills += 1
        assert rows(one_server) == (0, 0)
    # Server and claim of the other request removed; claim made, server made, server of a killed run ended.
    assert kills == 5
    assert pods(one_server) == ""
    given_up = one_server.surroundings.records.find(RecordKind.RESTORE, "acme", "given-up")
    assert given_up is not None
    assert given_up.status is RecordStatus.FAILED

    plan = switch_of(one_server, "killed").plan()
    with volumes_removed(one_server, plan) as volumes:
        kills = 0
        while killed(one_server, spec, "switch", "killed"):
            kills += 1
            assert all(volume_state(one_server, volume) for volume in volumes)
        # Planned, both volumes kept, stopped, released or not, reserved, claimed, started, handed back, told.
        assert kills >= 8
        assert rows(one_server) == (500, 3000)
        assert claims(one_server) == before


def test_a_drill_from_snapshots_leaves_nothing_also_when_one_was_killed(two_servers: Servers) -> None:
    forget(two_servers)
    taken = snapshot(two_servers.spec(), two_servers.surroundings, two_servers.store)
    before = claims(two_servers)
    assert killed(two_servers, two_servers.spec(), "drill", "killed", "Pod")
    assert "acme-drill-validator-app" in pods(two_servers)

    with two_servers.allowed("drill", drill_rules(two_servers.spec())) as job:
        leased = replace(job.surroundings, leases=ClusterLeases(job.cluster))
        record = drill_snapshots(job.spec(), leased, job.cluster, job.store, TEST_PATIENCE)
        with leased.leases.only_run("acme", "drill"), pytest.raises(RefusedError, match="another drill"):
            drill_snapshots(job.spec(), leased, job.cluster, job.store, TEST_PATIENCE)
    assert (record.status, record.kind) == (RecordStatus.COMPLETED, RecordKind.DRILL)
    assert record.details["set"] == taken.identifier
    assert record.details["participantId"] == PARTICIPANT_ID
    assert isinstance(record.details["recoverySeconds"], int)
    assert (claims(two_servers), pods(two_servers)) == (before, "")
    drills = two_servers.surroundings.records.list("acme", RecordKind.DRILL)
    assert [one.status for one in drills] == [RecordStatus.COMPLETED, RecordStatus.FAILED]


NO_WRITE = "none"


@pytest.mark.parametrize(("operation", "seconds", "kills"), [("backup", 4.0, 4), ("drill", 10.0, 2)])
def test_what_is_killed_at_any_moment_lists_nothing_wrong_and_the_next_run_leaves_nothing(
    two_servers: Servers, operation: str, seconds: float, kills: int
) -> None:
    servers, spec, store = two_servers, two_servers.spec(), two_servers.store
    seed = random.randrange(1000)  # noqa: S311 - moments, not secrets
    print(f"seed {seed}")
    moments = random.Random(seed)  # noqa: S311
    forget(servers)
    snapshot(spec, servers.surroundings, store)
    before = claims(servers)
    for _ in range(kills):
        servers.clock.next_day()
        proven = published(store.found())[0]
        killed(servers, spec, operation, "random", NO_WRITE, after=moments.uniform(0.5, seconds))
        assert published(store.found())[0].set_id >= proven.set_id
        servers.clock.next_day()
        assert not killed(servers, spec, operation, "random", NO_WRITE)
        listed = {manifest.set_id for manifest in published(store.found())}
        assert {found.set_id for found in store.found()} == listed
        records = servers.surroundings.records.list("acme", RecordKind.BACKUP_SET)
        assert {one.identifier for one in records if one.is_sound_in("snapshot")} == listed
        assert all(one.status is not RecordStatus.RUNNING for one in records)
        assert (claims(servers), pods(servers)) == (before, "")


def republish(servers: Servers, manifest: SnapshotManifest) -> None:
    """Another manifest, as if the run had written it."""
    servers.store.publish(manifest.snapshots[-1].name, manifest)
    records = servers.surroundings.records
    record = records.find(RecordKind.BACKUP_SET, "acme", manifest.set_id)
    assert record is not None
    details = {**record.details, MANIFEST_DIGEST: manifest.digest}
    records.save(record.model_copy(update={"details": details}))


def promising_more(servers: Servers) -> SnapshotManifest:
    """The newest set with an offset that its snapshots do not hold."""
    manifest = published(servers.store.found())[0]
    more = [state.model_copy(update={"ledger_offset": 201}) for state in manifest.databases]
    return manifest.model_copy(update={"databases": tuple(more)})


def test_a_set_that_a_drill_could_not_restore_is_chosen_by_nobody(one_server: Servers) -> None:
    forget(one_server)
    older = snapshot(one_server.spec(), one_server.surroundings, one_server.store)
    one_server.clock.next_day()
    newest = snapshot(one_server.spec(), one_server.surroundings, one_server.store)
    republish(one_server, promising_more(one_server))
    spec = one_server.spec().model_copy(update={"verification": Verification(cron="0 3 * * 0")})
    surroundings, before = one_server.surroundings, claims(one_server)

    with pytest.raises(UnprovenError, match="ledger ends at 200, and 201 was there before"):
        drill_snapshots(spec, surroundings, one_server.cluster, one_server.store, TEST_PATIENCE)

    assert (claims(one_server), pods(one_server)) == (before, "")
    one_server.clock.next_day()
    with pytest.raises(UnprovenError, match="a drill could not restore it"):
        verify(spec, surroundings, one_server.cluster)
    record = surroundings.records.find(RecordKind.BACKUP_SET, "acme", newest.identifier)
    assert record is not None
    assert not record.is_sound_in("snapshot")
    verdicts = preflight(
        spec, RestoreOrder("latest", "r", "snapshot"), surroundings, one_server.cluster, one_server.store
    )
    told = {verdict.name: verdict for verdict in verdicts}
    assert older.identifier in told["set-proven"].found
    # Nobody has an identity dump, and of a set of two days' age this is what a person should know.
    assert {name for name, one in told.items() if one.outcome is not Outcome.PASS} == {
        "identity-half",
        "synchronizer-upgrade",
    }


def test_a_manifest_that_was_changed_or_lost_is_noticed_and_used_by_nobody(one_server: Servers) -> None:
    forget(one_server)
    taken = snapshot(one_server.spec(), one_server.surroundings, one_server.store)
    spec = one_server.spec().model_copy(update={"verification": Verification(cron="0 3 * * 0")})
    one_server.store.publish(f"acme-{taken.identifier}-databases", promising_more(one_server))
    with pytest.raises(RefusedError, match=f"{taken.identifier} is not proven"):
        restored(one_server, "changed", taken.identifier)
    with pytest.raises(UnprovenError, match="was changed since it was recorded"):
        verify(spec, one_server.surroundings, one_server.cluster)
    one_server.kubectl("annotate", "volumesnapshot", f"acme-{taken.identifier}-databases", f"{MANIFEST_ANNOTATION}-")
    one_server.clock.next_day()
    with pytest.raises(UnprovenError, match="has its manifest any more"):
        verify(spec, one_server.surroundings, one_server.cluster)
    # The next run removes what killed runs left, and this was no such run.
    one_server.clock.next_day()
    snapshot(one_server.spec(), one_server.surroundings, one_server.store)
    assert taken.identifier in {found.set_id for found in one_server.store.found()}


def test_the_preflight_refuses_what_the_namespace_does_not_take(two_servers: Servers) -> None:
    forget(two_servers)
    snapshot(two_servers.spec(), two_servers.surroundings, two_servers.store)
    spec, order = two_servers.spec(), RestoreOrder("latest", "refused", "snapshot")
    asked = (spec, order, two_servers.surroundings, two_servers.cluster, two_servers.store)
    assert {one.name for one in preflight(*asked)} >= {"storage-class", "space", "throw-away-servers", "versions"}
    every_claim = two_servers.kubectl("get", "pvc", "-o=name").stdout.split()
    hard = f"--hard=requests.storage={len(every_claim) * 400 + 500}Mi"
    assert two_servers.kubectl("create", "quota", "room", hard).returncode == 0
    status = ("get", "quota", "room", "-o=jsonpath={.status.used}")
    never = VerdictOverride(verdict="space", reason="it will work out")
    try:
        wait_until(lambda: bool(two_servers.kubectl(*status).stdout), "the quota's count", 30, "")
        refused = {one.name: one for one in preflight(*asked) if one.outcome is Outcome.REFUSAL}
        assert set(refused) == {"space"}, refused  # each of the two claims alone would fit
        assert "exceeded quota: room" in refused["space"].found
        with pytest.raises(RefusedError, match="space: the API server would refuse the new claims"):
            restored(two_servers, "refused")
        with pytest.raises(RefusedError, match="'space' may never be overridden"):
            preflight(spec, replace(order, overrides=(never,)), *asked[2:])
    finally:
        two_servers.kubectl("delete", "quota", "room")


def test_the_jobs_roles_are_enough(two_servers: Servers) -> None:
    forget(two_servers)
    spec = two_servers.spec()
    with two_servers.allowed("backup", backup_rules(spec)) as job:
        leased = replace(job.surroundings, leases=ClusterLeases(job.cluster))
        taken = snapshot(spec, leased, job.store)
        with leased.leases.only_run("acme"), pytest.raises(RefusedError, match="another backup or recovery"):
            snapshot(spec, leased, job.store)
    with two_servers.allowed("recovery", recovery_rules(spec)) as job:
        record = restored(job, "with-few-rights")
    assert record.details["set"] == taken.identifier
    made = record.details["claims"]
    assert isinstance(made, dict)
    two_servers.kubectl("delete", "pvc", *map(str, made.values()))


def test_a_set_that_holds_less_than_it_promises_is_not_restored_and_nothing_stays(one_server: Servers) -> None:
    forget(one_server)
    taken = snapshot(one_server.spec(), one_server.surroundings, one_server.store)
    republish(one_server, promising_more(one_server))
    before = claims(one_server)
    with pytest.raises(UnprovenError, match="ledger ends at 200, and 201 was there before"):
        restored(one_server, "promises", taken.identifier)
    assert claims(one_server) == before
    assert pods(one_server) == ""


def test_a_table_that_came_back_empty_is_no_recovery(one_server: Servers) -> None:
    forget(one_server)
    taken = snapshot(one_server.spec(), one_server.surroundings, one_server.store)
    (manifest,) = published(one_server.store.found())
    more = [state.model_copy(update={"filled_tables": (f"{state.role}.lost",)}) for state in manifest.databases]
    republish(one_server, manifest.model_copy(update={"databases": tuple(more)}))
    with pytest.raises(UnprovenError, match=r"no row was restored of validator-app\.lost, participant\.lost"):
        restored(one_server, "empty", taken.identifier)


def test_a_set_of_another_validator_is_refused(one_server: Servers) -> None:
    forget(one_server)
    snapshot(one_server.spec(), one_server.surroundings, one_server.store)
    (manifest,) = published(one_server.store.found())
    republish(one_server, manifest.model_copy(update={"party_hint": "other-validator-1"}))
    with pytest.raises(RefusedError, match=r"it is of validator acme \(other-validator-1\), not of acme"):
        restored(one_server, "stranger")
