"""A logical upgrade of the synchronizer between backup and restore, as a Scan that runs tells of it."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import httpx2
import pytest

from catalyx_dr.model.environment_spec import VerdictOverride
from catalyx_dr.model.target import CustomResourceTarget, SpliceHelmTarget, Target
from catalyx_dr.operations.backup import back_up
from catalyx_dr.operations.restore import RestoreOrder, preflight
from catalyx_dr.rules.verdict import Outcome, Verdict
from tests.dev_validator.harness import running_scan
from tests.fixtures_restore import answering_at
from tests.fixtures_validator import Protected

VendorsTarget = partial(
    CustomResourceTarget, api_version="canton.example/v1", resource_kind="Validator", name="validator-1"
)


@pytest.fixture
def scan(tmp_path: Path) -> Iterator[str]:
    """A network of this test's own, which may be upgraded."""
    with running_scan(tmp_path) as url:
        yield url


def verdict(protected: Protected, order: RestoreOrder) -> Verdict:
    verdicts = preflight(protected.spec, order, protected.surroundings, None)  # type: ignore[arg-type]
    (found,) = [one for one in verdicts if one.name == "synchronizer-upgrade"]
    return found


@pytest.mark.usefixtures("workload_log")
@pytest.mark.parametrize("target", [SpliceHelmTarget, VendorsTarget], ids=["splice-helm", "custom-resource"])
def test_set_is_refused_after_an_upgrade_and_only_a_reason_lets_it_pass(
    protected: Protected, scan: str, target: Callable[..., Target]
) -> None:
    played = {**answering_at(scan), "target": target(scan_url=scan)}
    protected = replace(protected, spec=protected.spec.model_copy(update=played))
    back_up(protected.spec, protected.surroundings)
    assert protected.volume.manifest(protected.set_ids[0]).synchronizer_serial == 0
    order = RestoreOrder("latest", "r1")
    assert str(verdict(protected, order)) == "pass: synchronizer-upgrade: migration 1, synchronizer serial 0"

    httpx2.post(f"{scan}/internal/synchronizer-upgrade", json={}, trust_env=False).raise_for_status()

    refused = verdict(protected, order)
    assert refused.outcome is Outcome.REFUSAL
    assert refused.found == "taken at synchronizer serial 0, Scan says 1 now"
    reason = VerdictOverride(verdict="synchronizer-upgrade", reason="the old sequencers stay up until Friday")
    assert verdict(protected, replace(order, overrides=(reason,))).outcome is Outcome.WARNING

    protected.clock.next_day()
    back_up(protected.spec, protected.surroundings)
    assert verdict(protected, order).outcome is Outcome.PASS
