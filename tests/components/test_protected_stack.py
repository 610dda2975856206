"""A whole stack: recoveries, what a preview does without a cluster, and bad input before any resource."""

import json
from copy import deepcopy
from datetime import timedelta
from typing import Any

import pulumi
import pytest

from catalyx_dr.adapters import backup_claims
from catalyx_dr.adapters.cluster import Cluster
from catalyx_dr.model.environment_spec import EnvironmentSpec
from catalyx_dr.model.errors import CatalyxDrError, RefusedError, SpecError, UnreachableError
from catalyx_dr.model.record import RecordKind
from catalyx_dr.rules.policy import ClusterFacts
from components import cluster_lookup
from components.cluster_lookup import ClusterLookup
from components.recovery_plan import Seen
from components.stack_configuration import environment_of_stack
from dynamic_providers.cluster_access import ClusterAccess
from tests.components.records import MemoryRecords, captured
from tests.components.rendering import NOW, no_cluster, one, rendered
from tests.components.specs import raw_stack, stack_spec

RESTORE = {"validator": "acme", "set": "latest", "requestId": "rehearsal-1"}
IMPORT = {"validator": "acme", "dump": "latest", "requestId": "i1", "newParticipantIdentifier": "acme-2"}


@pytest.fixture
def with_records(monkeypatch: pytest.MonkeyPatch) -> ClusterLookup:
    taken = NOW - timedelta(hours=5)
    records = MemoryRecords(
        [captured(RecordKind.BACKUP_SET, taken, "volume"), captured(RecordKind.IDENTITY_DUMP, taken, "cluster")]
    )
    monkeypatch.setattr(cluster_lookup, "ClusterRecords", lambda cluster: records)
    monkeypatch.setattr(cluster_lookup, "_sight", lambda cluster, spec: Seen())
    monkeypatch.setattr(ClusterAccess, "connect", lambda self, namespace: None)
    lookup = ClusterLookup(ClusterAccess(), preview=False, now=NOW)
    monkeypatch.setattr(lookup, "_connect", lambda namespace: object())
    monkeypatch.setattr(lookup, "volume_sizes", lambda specs: {})
    return lookup


def job_of(resource: Any) -> dict[str, Any]:
    job: dict[str, Any] = json.loads(resource.inputs["validatorJob"])
    return job


def arguments_of(resource: Any) -> list[str]:
    arguments: list[str] = job_of(resource)["spec"]["template"]["spec"]["containers"][0]["args"]
    return arguments


def test_restore_shows_what_it_will_do(with_records: ClusterLookup, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    restore = one(rendered(stack_spec(restore=RESTORE), with_records), ":DatabaseRestore", "acme-restore")
    assert restore.inputs["set"] == "latest"
    assert restore.inputs["setId"] == "20260301t073000z"
    assert restore.inputs["takenAt"] == "2026-03-01T07:30:00+00:00"
    assert restore.inputs["scalesDown"] == ["deployment/validator-app", "deployment/participant"]
    assert arguments_of(restore)[:3] == ["restore", "--set", "20260301t073000z"]
    assert job_of(restore)["spec"]["template"]["spec"]["serviceAccountName"] == "acme-recovery"
    assert any("set 20260301t073000z" in message and "5h old" in message for message in caplog.messages)


def test_restore_waits_for_the_protection(with_records: ClusterLookup) -> None:
    resources = rendered(stack_spec(restore=RESTORE), with_records)
    restore = one(resources, ":DatabaseRestore", "acme-restore")
    assert {"acme-recovery", "acme-backups", "catalyx-dr-acme"} <= set(restore.depends_on)


def test_age_identity_is_mounted_in_the_recovery_alone(with_records: ClusterLookup) -> None:
    block = RESTORE | {"source": "bucket", "ageIdentity": {"name": "age-identity", "key": "identity"}}
    resources = rendered(stack_spec(restore=block), with_records)
    with_identity = [one.name for one in resources if "age-identity" in json.dumps(one.inputs)]
    assert with_identity == ["acme-restore"]
    arguments = arguments_of(one(resources, ":DatabaseRestore", "acme-restore"))
    assert arguments[-2:] == ["--age-identity-file", "/etc/catalyx-dr/secrets/age-identity/identity"]


def test_import_outputs_values_in_both_flavours_and_mounts_its_dump(with_records: ClusterLookup) -> None:
    resource = one(rendered(stack_spec(identityImport=IMPORT), with_records), ":IdentityImport", "acme-identity-import")
    values = resource.inputs["values"]
    assert values["spliceHelm"]["participantIdentitiesDumpImport"]["newParticipantIdentifier"] == "acme-2"
    assert values["spliceHelm"]["nodeIdentifier"] == "acme-2"
    assert "customResource" in values
    assert "acme-identities-20260301t073000z" in resource.inputs["validatorJob"]


def test_import_that_leaves_the_values_to_a_person_says_that_it_waits(
    with_records: ClusterLookup, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    rendered(stack_spec(identityImport=IMPORT | {"apply": "print"}), with_records)
    assert any("waits up to 4h until you have set the values" in message for message in caplog.messages)


def test_preview_without_a_cluster_goes_on_and_says_what_it_does_not_know(caplog: pytest.LogCaptureFixture) -> None:
    restore = one(rendered(stack_spec(restore=RESTORE), no_cluster()), ":DatabaseRestore", "acme-restore")
    assert restore.inputs["setId"] == "latest"
    (message,) = [message for message in caplog.messages if "not looked up" in message and "KUBECONFIG" in message]
    assert "set latest of acme, sizes of backup volumes, Secrets, workloads, storage classes" in message


def test_update_without_a_cluster_stops_before_any_resource() -> None:
    lookup = ClusterLookup(ClusterAccess(kubeconfig="/nonexistent/kubeconfig"), preview=False, now=NOW)
    with pytest.raises(CatalyxDrError, match="no usable Kubernetes configuration"):
        rendered(stack_spec(restore=RESTORE), lookup)


def test_silent_cluster_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def silent(*_: object) -> None:
        asked.append("once")
        raise UnreachableError("the Kubernetes API did not answer")

    monkeypatch.setattr(cluster_lookup, "plan_restore", silent)
    monkeypatch.setattr(backup_claims, "requested_sizes", silent)
    monkeypatch.setattr(ClusterAccess, "connect", lambda self, namespace: Cluster(None, namespace))  # type: ignore[arg-type]
    lookup = ClusterLookup(ClusterAccess(), preview=True, now=NOW)
    rendered(stack_spec(restore=RESTORE), lookup)
    assert asked == ["once"]
    assert lookup.unanswered[:2] == ["set latest of acme", "sizes of backup volumes"]
    assert len(lookup.unanswered) == 3


def test_what_differs_from_the_environment_is_one_note_on_the_component(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    validators = deepcopy(raw_stack()["validators"])
    validators[0]["backup"] |= {"cron": "0 */8 * * *", "deadline": "2h"}
    rendered(stack_spec(validators=validators))
    notes = [record for record in caplog.records if "set differently" in record.message]
    assert [note.levelname for note in notes] == ["INFO"]
    assert "defaults of development: backup.cron: 0 */8 * * * (default 0 0 * * *); " in notes[0].message
    assert "backup.deadline: 2h (default 6h)" in notes[0].message


def test_a_stack_of_defaults_says_nothing_of_them(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    rendered(stack_spec())
    assert not [record for record in caplog.records if "set differently" in record.message]


def test_what_the_cluster_lacks_is_one_warning_in_a_preview_and_none_in_an_update(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    facts = ClusterFacts(secrets={"canton": {}}, storage_classes={}, workloads={"canton": frozenset()})
    monkeypatch.setattr(cluster_lookup, "observe", lambda cluster, spec: (facts, ("backups of other tools",)))
    monkeypatch.setattr(backup_claims, "requested_sizes", lambda cluster, places: {})
    monkeypatch.setattr(ClusterAccess, "connect", lambda self, namespace: Cluster(None, namespace))  # type: ignore[arg-type]
    for preview in (False, True):
        assert "in the cluster" not in caplog.text
        rendered(stack_spec(), ClusterLookup(ClusterAccess(), preview=preview, now=NOW))
    (warning,) = [message for message in caplog.messages if message.startswith("in the cluster:")]
    for rule in ("DR090", "DR092", "DR093"):
        assert rule in warning
    assert "may not look up in the cluster: backups of other tools" in caplog.text


def test_unknown_set_stops_before_any_resource(with_records: ClusterLookup) -> None:
    with pytest.raises(RefusedError, match="there is no backup set 20200101t000000z; available: 20260301t073000z"):
        rendered(stack_spec(restore=RESTORE | {"set": "20200101t000000z"}), with_records)


def configured(**settings: Any) -> EnvironmentSpec:
    texts = {
        f"catalyx-dr:{name}": value if isinstance(value, str) else json.dumps(value) for name, value in settings.items()
    }
    pulumi.runtime.set_mocks(pulumi.runtime.mocks.Mocks.__new__(_Nothing), project="catalyx-dr", stack="test")
    pulumi.runtime.set_all_config(texts | {"kubernetes:context": "elsewhere"})
    try:
        return environment_of_stack()
    finally:
        pulumi.runtime.set_all_config({})


class _Nothing(pulumi.runtime.mocks.Mocks):
    def call(self, args: Any) -> Any:
        return {}, None

    def new_resource(self, args: Any) -> Any:
        return "", {}


def test_stack_file_is_read_as_the_engine_hands_it_over() -> None:
    assert configured(**raw_stack()) == stack_spec()


def test_misspelt_key_of_the_stack_file_is_refused_by_name() -> None:
    with pytest.raises(SpecError, match="restor"):
        configured(**raw_stack(restor=RESTORE))
