"""Backup by snapshots against the official snapshot controller and sidecars, with real PostgreSQL servers."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from catalyx_dr.adapters.cluster import connect
from catalyx_dr.adapters.volume_snapshots import published
from catalyx_dr.model.errors import RefusedError, UnprovenError, UnreachableError
from catalyx_dr.model.record import Record, RecordKind, RecordStatus
from catalyx_dr.model.validator_spec import ServerVolume, Verification
from catalyx_dr.operations.claim_switch import ClaimSwitch
from catalyx_dr.operations.snapshot_backup import snapshot
from catalyx_dr.operations.snapshot_restore import restore_snapshots
from catalyx_dr.operations.verify import verify
from components.permissions import backup_rules, recovery_rules, verification_rules
from dev.cluster import kubeconfig_path
from dev.cluster.lifecycle import external_kubeconfig
from tests.fixtures_postgres import PARTICIPANT_ID
from tests.local_cluster.database_servers import Servers
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


def restored(servers: Servers, request: str, selector: str = "latest") -> Record:
    return restore_snapshots(
        servers.spec(), selector, request, servers.surroundings, servers.cluster, servers.store, timedelta(minutes=2)
    )


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
    return {name for name in found if any(part in name for part in (*servers.names, "acme-restored"))}


@pytest.mark.parametrize("fixture", ["one_server", "two_servers"])
def test_a_set_is_restored_beside_the_present_and_switched_to(fixture: str, request: pytest.FixtureRequest) -> None:
    servers: Servers = request.getfixturevalue(fixture)
    forget(servers)
    snapshot(servers.spec(), servers.surroundings, servers.store)
    before = claims(servers)
    servers.run(servers.names[0], "cantonnet_validator", "DELETE FROM validator.user_wallet_acs_store")
    servers.run(servers.names[1], "participant", "DELETE FROM participant.lapi_events")

    record = restored(servers, f"lost-rows-{servers.names[0]}")
    assert record.details["participantId"] == PARTICIPANT_ID
    assert record.details["rows"] == 500 + 3 + 3000 + 2
    made = record.details["claims"]
    assert isinstance(made, dict)
    assert claims(servers) == before | {str(name) for name in made.values()}
    assert servers.kubectl("get", "pods", "--selector=catalyx-dr/validator=acme", "-o=name").stdout == ""
    assert rows(servers) == (0, 0)  # the present ones were not touched
    assert restored(servers, f"lost-rows-{servers.names[0]}") == record  # the same request does nothing again

    said: list[str] = []
    switch = ClaimSwitch(
        servers.spec(),
        f"lost-rows-{servers.names[0]}",
        servers.surroundings.records,
        servers.cluster,
        said.append,
        timedelta(minutes=2),
    )
    plan = switch.plan()
    kept = [step.replaced.volume for step in plan.steps if step.replaced]
    try:
        switch.apply(plan)
        assert rows(servers) == (500, 3000)
        assert claims(servers) == before
        for volume in kept:
            policy = "-o=jsonpath={.spec.persistentVolumeReclaimPolicy} {.status.phase}"
            assert servers.kubectl("get", "pv", volume, policy).stdout == "Retain Released"
        assert switch.apply(switch.plan()).details["switched"] is True  # once more does nothing
    finally:
        for volume in kept:
            servers.kubectl("patch", "pv", volume, '-p={"spec":{"persistentVolumeReclaimPolicy":"Delete"}}')


def test_the_jobs_roles_are_enough(two_servers: Servers) -> None:
    forget(two_servers)
    spec = two_servers.spec()
    with two_servers.allowed("backup", backup_rules(spec)) as job:
        taken = snapshot(spec, job.surroundings, job.store)
    with two_servers.allowed("recovery", recovery_rules(spec)) as job:
        record = restored(job, "with-few-rights")
    assert record.details["set"] == taken.identifier
    made = record.details["claims"]
    assert isinstance(made, dict)
    two_servers.kubectl("delete", "pvc", *map(str, made.values()))


def test_a_set_that_holds_less_than_it_promises_is_not_restored_and_nothing_stays(one_server: Servers) -> None:
    forget(one_server)
    taken = snapshot(one_server.spec(), one_server.surroundings, one_server.store)
    (manifest,) = published(one_server.store.found())
    more = [state.model_copy(update={"ledger_offset": 201}) for state in manifest.databases]
    one_server.store.publish(manifest.snapshots[0].name, manifest.model_copy(update={"databases": tuple(more)}))
    before = claims(one_server)
    with pytest.raises(UnprovenError, match="ledger ends at 200, and 201 was there before"):
        restored(one_server, "promises", taken.identifier)
    assert claims(one_server) == before
    assert one_server.kubectl("get", "pods", "--selector=catalyx-dr/validator=acme", "-o=name").stdout == ""


def test_a_set_of_another_validator_is_refused(one_server: Servers) -> None:
    forget(one_server)
    snapshot(one_server.spec(), one_server.surroundings, one_server.store)
    (manifest,) = published(one_server.store.found())
    other = manifest.model_copy(update={"party_hint": "other-validator-1"})
    one_server.store.publish(manifest.snapshots[0].name, other)
    with pytest.raises(RefusedError, match=r"is of acme \(other-validator-1\), asked for is acme \(acme-validator-1\)"):
        restored(one_server, "stranger")
