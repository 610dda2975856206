"""Cron strings and time zones at a real API server: what it accepts is accepted here, and nothing else."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from lightkube import Client
from lightkube.core.exceptions import ApiError
from lightkube.resources.batch_v1 import CronJob

from catalyx_dr.model.schedule import check_cron, check_time_zone

pytestmark = pytest.mark.cluster
SEEN = json.loads((Path(__file__).parent / "controller.json").read_text())
CRONS = (
    *(
        "0 0 * * *",
        "0 */6 * * *",
        "0 2 * * 0",
        "0 2 * * 7",
        "0 2 * * 1-7",
        "0 0 * * MON",
        "0 0 * * mon-fri",
        "0 0 * * MON#1",
    ),
    *("0 0 * jan *", "0 0 * JAN-MAR/2 *", "0 0 * january *", "0 0 * 0 *", "0 0 * 13 *", "0 0 0 * *", "0 0 32 * *"),
    *("? * * * *", "0 0 ? * ?", "0 0 L * *", "0 0 15W * *", "0 0 * * 5L", "H H * * *", "* * * * * *", "0 0 0 * * *"),
    *("* * * *", "", " ", "@hourly", "@HOURLY", "@every 4h", "@every 4", "@every -1h", "@every 1d", "@every  4h"),
    *("@reboot", "@daily ", " @daily", "\t0 0 * * *", "0 0 * * *\n", "0  0\t* * *", "TZ=UTC 0 0 * * *"),
    *("CRON_TZ=Europe/Berlin 0 0 * * *", "TZ=UTC @daily", "0 0 * * TZ", "*/0 * * * *", "*/60 * * * *", "*/61 * * * *"),
    *("5/15 * * * *", "10-50/7 * * * *", "50-10 * * * *", "1,2,,3 * * * *", ",1 * * * *", "1- * * * *", "-1 * * * *"),
    *("60 * * * *", "59 23 31 12 6", "0 24 * * *", "00 00 * * *", "0 0 1-31/2 * 1", "0 0 31 2 *", "0 0 29 2 *"),
    *("+5 * * * *", "5.0 * * * *", "a * * * *", "*/* * * * *", "1/2/3 * * * *", "1-2-3 * * * *", "0 0 * * sun,sat"),
    *(
        "０ 0 * * *",
        "0 0 * * *\u00a0",
        "0\u30000 * * *",
        "0 0 * * \u0661",
        "@every 1h30m10s",
        "@every 1.5h",
        "@midnight",
    ),
)
ZONES = (
    *("Etc/UTC", "UTC", "utc", "Europe/Berlin", "europe/berlin", "America/Argentina/Buenos_Aires", "EST5EDT", "GMT+1"),
    *("Etc/GMT+1", "Local", "local", "", "Mars/Base", "Europe", "../UTC", "/UTC", "Europe/", "+01:00", "CET", "Zulu"),
    *("posixrules", "Factory", "US/Pacific", "Asia/Calcutta", "Etc//UTC", "Etc/UTC ", "zone.tab", "posix/UTC"),
)


def accepts(client: Client, namespace: str, cron: str, zone: str) -> bool:
    pod = {"restartPolicy": "Never", "containers": [{"name": "a", "image": "none.example/a"}]}
    document = {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": "a", "namespace": namespace},
        "spec": {"schedule": cron, "timeZone": zone, "jobTemplate": {"spec": {"template": {"spec": pod}}}},
    }
    try:
        client.create(CronJob.from_dict(document), dry_run=True)  # type: ignore[call-overload]
    except ApiError as error:
        if error.status.reason == "Invalid":
            return False
        raise
    return True


def accepted_here(check: Callable[[str], str], text: str) -> bool:
    try:
        check(text)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("crons", [CRONS, SEEN["accepted"], SEEN["refused"]], ids=["own", "accepted", "refused"])
def test_cron_strings(client: Client, namespace: str, crons: Sequence[str]) -> None:
    there = {cron: accepts(client, namespace, cron, "Etc/UTC") for cron in crons}
    here = {cron: accepted_here(check_cron, cron) for cron in crons}
    assert {cron: there[cron] for cron in crons if there[cron] != here[cron]} == {}


def test_time_zones(client: Client, namespace: str) -> None:
    there = {zone: accepts(client, namespace, "0 0 * * *", zone) for zone in ZONES}
    here = {zone: accepted_here(check_time_zone, zone) for zone in ZONES}
    assert {zone: there[zone] for zone in ZONES if there[zone] != here[zone]} == {}
    assert set(there.values()) == {True, False}
