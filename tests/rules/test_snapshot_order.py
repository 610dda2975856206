"""Which snapshots are taken, and which sets of them can be used."""

from datetime import UTC, datetime, timedelta

import pytest

from catalyx_dr.model.databases import Database, DatabaseRole, Databases, DatabaseServer, ServerVolume
from catalyx_dr.model.errors import UnprovenError
from catalyx_dr.model.quantity import Quantity
from catalyx_dr.model.snapshot_set import DatabaseState, SnapshotCapture, SnapshotManifest, SourceClaim
from catalyx_dr.rules.snapshot_order import (
    RestoredState,
    check_restored,
    check_snapshot_order,
    snapshot_steps,
)

NOW = datetime(2026, 11, 24, 6, tzinfo=UTC)
APP, PARTICIPANT = DatabaseRole.VALIDATOR_APP, DatabaseRole.PARTICIPANT
SOURCE = SourceClaim(storage_class="standard", access_modes=("ReadWriteOnce",), size=Quantity.parse("2Gi"))


def databases(app: str | None, participant: str | None = None) -> Databases:
    def server(claim: str | None) -> DatabaseServer:
        return DatabaseServer(host="pg", volume=ServerVolume(claim=claim, stateful_set="pg") if claim else None)

    one = Database(name="one", schema_name="validator", storage=Quantity.parse("1Gi"))
    return Databases(
        server=server(app),
        validator_app=one,
        participant=one.model_copy(update={"server": server(participant) if participant else None}),
    )


def capture(role: DatabaseRole, asked: datetime, ready: datetime) -> SnapshotCapture:
    return SnapshotCapture(
        name=f"set-{role}",
        claim=f"data-{role}",
        stateful_set="pg",
        roles=(role,),
        asked=asked,
        taken=asked,
        ready=ready,
        restore_size=Quantity.parse("3Gi"),
        source=SOURCE,
    )


def manifest(
    ready: datetime, participant_asked: datetime, ingested: int | None, ledger_end: int | None
) -> SnapshotManifest:
    app, participant = (
        DatabaseState(
            role=role, database=role, server_version="17.6", database_bytes=1, ledger_offset=offset, filled_tables=()
        )
        for role, offset in ((APP, ingested), (PARTICIPANT, ledger_end))
    )
    return SnapshotManifest(
        set_id="20261124t060000z",
        validator="acme",
        namespace="canton",
        party_hint="acme-validator-1",
        participant_id=None,
        migration_id=0,
        databases=(app, participant),
        snapshots=(capture(APP, NOW, ready), capture(PARTICIPANT, participant_asked, participant_asked)),
        tool_version="1",
    )


def test_one_volume_is_one_step() -> None:
    (step,) = snapshot_steps(databases("pg-data"))
    assert (step.volume.claim, step.roles, step.part) == ("pg-data", (APP, PARTICIPANT), "databases")


def test_two_volumes_are_two_steps_app_first() -> None:
    steps = snapshot_steps(databases("app-data", "participant-data"))
    assert [(step.volume.claim, step.part) for step in steps] == [
        ("app-data", "validator-app"),
        ("participant-data", "participant"),
    ]


def test_a_volume_that_is_not_declared_is_no_step() -> None:
    with pytest.raises(ValueError, match="not declared"):
        snapshot_steps(databases(None))


def test_the_participant_may_be_asked_for_when_the_app_is_ready() -> None:
    check_snapshot_order(manifest(NOW + timedelta(seconds=5), NOW + timedelta(seconds=5), 200, 200))


def test_a_participant_that_was_asked_for_too_early_makes_no_set() -> None:
    with pytest.raises(UnprovenError, match="set-validator-app of the validator app was ready at 06:00:05"):
        check_snapshot_order(manifest(NOW + timedelta(seconds=5), NOW + timedelta(seconds=4), 200, 200))


def test_an_app_that_is_ahead_makes_no_set() -> None:
    with pytest.raises(UnprovenError, match="ingested offset 201"):
        check_snapshot_order(manifest(NOW, NOW, 201, 200))


def test_a_restore_makes_a_claim_that_is_large_enough_for_both() -> None:
    found = manifest(NOW, NOW, 1, 1)
    assert str(found.snapshot_of(PARTICIPANT).claim_size) == "3Gi"
    assert found.bytes == 2 * 3 * 1024**3


def test_what_was_restored_may_be_later_than_what_was_read_before() -> None:
    check_restored(manifest(NOW, NOW, 200, 200), RestoredState(None, 190, 210))


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (RestoredState("PAR::other::1220", 200, 200), "is of participant PAR::other::1220, the set is of None"),
        (RestoredState(None, 211, 210), "ingested offset 211"),
        (RestoredState(None, 190, 199), "ledger ends at 199, and 200 was there before"),
        (RestoredState(None, None, None), "ledger ends at None"),
        (RestoredState(None, 200, 200, ("a", "b", "c", "d")), "no row was restored of a, b, c and 1 more"),
    ],
)
def test_what_breaks_the_promise_of_a_set_is_no_recovery(found: RestoredState, said: str) -> None:
    with pytest.raises(UnprovenError, match=said):
        check_restored(manifest(NOW, NOW, 200, 200), found)
