"""What people read of a validator: history and status, from real objects, on 80 columns."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from lightkube import Client
from lightkube.resources.core_v1 import ConfigMap

from catalyx_dr.model.capture_id import capture_id
from catalyx_dr.model.record import Record, RecordKind, RecordStatus
from tests.cli.conftest import Typed
from tests.components.records import captured, record
from tests.live_stack import declare_live, save_live

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.filterwarnings("ignore:.*has been deprecated in favor of:DeprecationWarning"),
]
NOW = datetime.now(UTC).replace(microsecond=0)


def ago(**length: float) -> datetime:
    return NOW - timedelta(**length)


def failed(started: datetime, message: str) -> Record:
    return captured(RecordKind.BACKUP_SET, started, status=RecordStatus.FAILED).model_copy(
        update={"message": message, "phase": "dump participant"}
    )


def running(started: datetime, percent: int) -> Record:
    found = record(RecordKind.RESTORE, "restore-1", started, RecordStatus.RUNNING)
    return found.model_copy(update={"finished": None, "percent": percent, "phase": "load participant"})


def promised(recovery_point: str) -> dict[str, Any]:
    return {"backup": {"volume": {"storageClass": "standard"}, "recoveryPoint": recovery_point, "cron": "0 */4 * * *"}}


def test_history_fits_eighty_columns(client: Client, namespace: str, typed: Typed) -> None:
    newest = captured(RecordKind.BACKUP_SET, ago(hours=3), "volume", "bucket").model_copy(update={"bytes": 998_900_000})
    dump = captured(RecordKind.IDENTITY_DUMP, ago(days=2, hours=5), "cluster", "bucket")
    broken = failed(ago(days=1), "the participant dump\ncannot be read back " + "and more " * 12)
    restore = record(RecordKind.RESTORE, "restore-after-the-flood-of-november", ago(minutes=5))
    save_live(namespace, [newest, dump, broken, restore])

    told = typed("history", "-n", namespace)

    lines = told.out.splitlines()
    assert (told.code, told.err) == (0, "")
    assert max(map(len, lines)) <= 80
    assert lines[0].split() == ["ID", "KIND", "TIME", "(UTC)", "AGE", "SIZE", "STATUS", "WHERE"]
    row = next(line for line in lines if newest.identifier in line)
    assert row.split()[:2] == [newest.identifier, "set"]
    assert f"{newest.started:%Y-%m-%d %H:%M}" in row
    assert "998.9 MB" in row
    assert "failed in phase 'dump participant'" in told.out
    assert "the participant dump cannot be read back" in told.out


def test_history_as_json_holds_whole_records(client: Client, namespace: str, typed: Typed) -> None:
    kept = captured(RecordKind.BACKUP_SET, ago(hours=3), "volume")
    save_live(namespace, [kept])

    told = typed("history", "-n", namespace, "--json")

    assert [Record.model_validate(one) for one in json.loads(told.out)] == [kept]


@pytest.mark.parametrize("command", ["history", "status"])
def test_empty_namespace_is_told_politely(command: str, namespace: str, typed: Typed) -> None:
    told = typed(command, "-n", namespace)
    assert told.code == 0
    assert namespace in told.out


@pytest.mark.parametrize("command", ["history", "status"])
def test_missing_namespace_is_refused(command: str, namespace: str, typed: Typed) -> None:
    told = typed(command, "-n", "nowhere")
    assert told.code == 2
    assert "namespace nowhere does not exist" in told.err


def test_status_is_well_within_the_promise(client: Client, namespace: str, typed: Typed) -> None:
    declare_live(client, namespace, **promised("4h"))
    newest = captured(RecordKind.BACKUP_SET, ago(hours=3), "volume")
    save_live(namespace, [newest, failed(ago(hours=9), "the server is full"), running(ago(minutes=2), 50)])

    told = typed("status", "-n", namespace)

    assert (told.code, told.err) == (0, "")
    assert max(map(len, told.out.splitlines())) <= 80
    flat = " ".join(told.out.split())
    assert f"{newest.identifier}, 3h" in flat
    assert "promised: 4h" in flat
    assert "identity dump none no proven one yet" in flat
    assert "restore restore-1: 50 % load participant" in flat
    assert "succeeded since: the server is full" in flat
    assert "next runs: 20" in flat


@pytest.mark.parametrize("command", ["history", "status"])
def test_a_damaged_record_is_named_once_and_hides_nothing(
    client: Client, namespace: str, typed: Typed, command: str
) -> None:
    declare_live(client, namespace, **promised("4h"))
    newest, cut = (captured(RecordKind.BACKUP_SET, ago(hours=hours), "volume") for hours in (3, 7))
    save_live(namespace, [newest, cut])
    client.patch(ConfigMap, cut.object_name, {"data": {"record.json": "{"}}, namespace=namespace)

    told = typed(command, "-n", namespace)

    assert told.code == 0
    assert newest.identifier in told.out
    unfolded = "".join(f"{told.out}{told.err}".split())
    assert unfolded.count(f"ConfigMap{namespace}/{cut.object_name}isnorecord") == 1


def test_missed_recovery_point_ends_with_one(client: Client, namespace: str, typed: Typed) -> None:
    declare_live(client, namespace, **promised("4h"))
    save_live(namespace, [captured(RecordKind.BACKUP_SET, ago(hours=5), "volume")])

    told = typed("status", "-n", namespace)
    document = json.loads(typed("status", "-n", namespace, "--json").out)

    assert told.code == 1
    assert "MISSED" in told.out
    assert document[0]["halves"][0]["missed"] is True


def test_unknown_validator_is_refused_with_the_known_ones(client: Client, namespace: str, typed: Typed) -> None:
    declare_live(client, namespace)
    told = typed("status", "-n", namespace, "--validator", "beta")
    assert told.code == 2
    assert "has the validators: acme" in told.err


def test_watch_follows_until_it_is_interrupted(
    client: Client, namespace: str, typed: Typed, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare_live(client, namespace, **promised("4h"))
    fresh = captured(RecordKind.BACKUP_SET, ago(minutes=1), "volume")

    def instead_of_sleeping(seconds: float) -> None:
        if turns:
            raise KeyboardInterrupt
        turns.append(seconds)
        save_live(namespace, [fresh])

    turns: list[float] = []
    monkeypatch.setattr("catalyx_dr.cli.status.time.sleep", instead_of_sleeping)
    told = typed("status", "-n", namespace, "--watch")

    assert told.code == 0
    assert fresh.identifier in told.out
    assert capture_id(fresh.started) == fresh.identifier
