"""The order that makes a set usable."""

from datetime import UTC, datetime, timedelta

import pytest

from catalyx_dr.model.backup_set import DatabaseCapture
from catalyx_dr.model.databases import DatabaseRole
from catalyx_dr.model.errors import UnprovenError
from catalyx_dr.rules.capture_order import check_offsets, check_order
from catalyx_dr.rules.set_size import expected_set_bytes

_START = datetime(2026, 11, 24, 6, tzinfo=UTC)


def _capture(role: DatabaseRole, started: int, completed: int, offset: int | None = 5) -> DatabaseCapture:
    return DatabaseCapture(
        role=role,
        database=role,
        server_version="17.1",
        client_version="17.1",
        started=_START + timedelta(seconds=started),
        completed=_START + timedelta(seconds=completed),
        database_bytes=1,
        ledger_offset=offset,
        row_counts={},
        files=(),
    )


@pytest.mark.parametrize(("participant_starts", "in_order"), [(9, False), (10, True), (11, True)])
def test_app_must_be_completed_before_the_participant_starts(participant_starts: int, in_order: bool) -> None:
    app = _capture(DatabaseRole.VALIDATOR_APP, 0, 10)
    participant = _capture(DatabaseRole.PARTICIPANT, participant_starts, 20)
    if in_order:
        check_order(app, participant)
        return
    with pytest.raises(UnprovenError, match="after the participant's was started"):
        check_order(app, participant)


@pytest.mark.parametrize(("ingested", "ledger_end"), [(None, None), (None, 0), (0, 0), (7, 7), (7, 8)])
def test_app_that_is_not_ahead_is_in_order(ingested: int | None, ledger_end: int | None) -> None:
    check_offsets(ingested, ledger_end)


@pytest.mark.parametrize(("ingested", "ledger_end"), [(0, None), (1, 0), (2**70, 2**63)])
def test_app_ahead_of_the_participant_is_refused(ingested: int, ledger_end: int | None) -> None:
    with pytest.raises(UnprovenError, match=f"has ingested offset {ingested}"):
        check_offsets(ingested, ledger_end)


def test_first_set_is_expected_to_take_a_quarter() -> None:
    assert expected_set_bytes(4_000, None) == 1_000
