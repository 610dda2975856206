"""Prometheus rules as Prometheus itself judges them (promtool), by the metrics of kube-state-metrics."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from catalyx_dr.rules.alert_rules import alert_rules
from tests.components.rendering import NOW, one, rendered
from tests.components.specs import VALIDATOR, stack_spec, validator_spec
from tests.promtool import promtool

_CRON_JOB = '{namespace="canton",cronjob="acme-backup"}'
_JOB = '{namespace="canton",job_name="acme-backup-29"}'
# The development stack promises a backup a day, and gives each run six hours.
_HOUR, _DAY = 60, 24 * 60


def _judge(folder: Path, series: dict[str, str], minute: int, alert: str) -> bool:
    """Tell whether Prometheus raises `alert` for the backup `minute` minutes after the first sample."""
    spec = validator_spec()
    (folder / "rules.yaml").write_text(yaml.safe_dump(alert_rules(spec, NOW)))
    labels = {"validator": "acme", "namespace": "canton", "cronjob": "acme-backup"}
    check: dict[str, Any] = {"eval_time": f"{minute}m", "alertname": alert, "exp_alerts": []}
    case = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "alert_rule_test": [check],
    }
    document = {"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": [case]}
    test = folder / "test.yaml"
    test.write_text(yaml.safe_dump(document))
    ended = subprocess.run([promtool(), "test", "rules", test], capture_output=True, text=True, check=False)
    said = ended.stdout + ended.stderr
    assert "got:" in said or ended.returncode == 0, said
    return all(f'{name}="{value}"' in said.partition("got:")[2] for name, value in labels.items())


@pytest.mark.parametrize(("last_success", "minute", "raised"), [(0, 29 * _HOUR, False), (0, 31 * _HOUR, True)])
def test_missed_recovery_point(tmp_path: Path, last_success: int, minute: int, raised: bool) -> None:
    series = {f"kube_cronjob_status_last_successful_time{_CRON_JOB}": f"{last_success}x{2 * _DAY}"}
    assert _judge(tmp_path, series, minute, "CatalyxDrRecoveryPointMissed") is raised


def test_schedule_that_never_succeeded_counts_from_its_creation(tmp_path: Path) -> None:
    series = {f"kube_cronjob_created{_CRON_JOB}": f"0x{2 * _DAY}"}
    assert not _judge(tmp_path, series, _DAY, "CatalyxDrRecoveryPointMissed")
    assert _judge(tmp_path, series, 31 * _HOUR, "CatalyxDrRecoveryPointMissed")


@pytest.mark.parametrize(("last_success", "raised"), [(50, True), (5000, False)])
def test_failed_run_until_one_succeeds(tmp_path: Path, last_success: int, raised: bool) -> None:
    series = {
        f"kube_job_status_failed{_JOB}": "1x60",
        f"kube_job_status_start_time{_JOB}": "600x60",
        f"kube_cronjob_status_last_successful_time{_CRON_JOB}": f"{last_success}x60",
    }
    assert _judge(tmp_path, series, 20, "CatalyxDrRunFailed") is raised


def test_first_run_that_failed(tmp_path: Path) -> None:
    series = {f"kube_job_status_failed{_JOB}": "1x60", f"kube_job_status_start_time{_JOB}": "600x60"}
    assert _judge(tmp_path, series, 20, "CatalyxDrRunFailed")


def test_schedule_that_is_gone(tmp_path: Path) -> None:
    assert _judge(tmp_path, {}, 40, "CatalyxDrScheduleGone")
    assert not _judge(tmp_path, {f"kube_cronjob_info{_CRON_JOB}": "1x60"}, 40, "CatalyxDrScheduleGone")


def test_every_schedule_is_watched() -> None:
    spec = validator_spec(verification={}, drill={})
    (group,) = alert_rules(spec, NOW)["groups"]
    watched = {rule["labels"]["cronjob"] for rule in group["rules"]}
    assert watched == {"acme-backup", "acme-identity-dump", "acme-verify", "acme-drill"}


def test_rule_carries_the_labels_by_which_prometheus_selects_it() -> None:
    alerts = {"prometheusRule": True, "prometheusLabels": {"release": "prometheus"}}
    rule = one(rendered(stack_spec(validators=[VALIDATOR | {"alerts": alerts}])), ":PrometheusRule", "catalyx-dr-acme")
    assert rule.inputs["metadata"]["labels"]["release"] == "prometheus"
    assert rule.inputs["spec"]["groups"][0]["name"] == "catalyx-dr-canton-acme"
