import json
from typing import Any

import pytest

from catalyx_dr.model.quantity import Quantity
from catalyx_dr.model.validator_spec import ValidatorSpec
from components.cluster_lookup import ClusterLookup
from components.object_metadata import STACK_FILE_WINS
from dynamic_providers.cluster_access import ClusterAccess
from tests.components.rendering import NOW, one, rendered, rendered_stack
from tests.components.specs import VALIDATOR, stack_spec

CRON_JOB = ":CronJob"


def test_cron_jobs_say_when_in_which_zone_and_how_long() -> None:
    spec = one(rendered(stack_spec()), CRON_JOB, "acme-backup").inputs["spec"]
    assert spec["schedule"] == "0 0 * * *"
    assert spec["timeZone"] == "Etc/UTC"
    assert spec["concurrencyPolicy"] == "Forbid"
    assert spec["startingDeadlineSeconds"] == 3600
    assert spec["suspend"] is False
    assert spec["jobTemplate"]["spec"]["activeDeadlineSeconds"] == 6 * 3600
    assert (spec["successfulJobsHistoryLimit"], spec["failedJobsHistoryLimit"]) == (3, 5)


def test_recovery_point_is_on_the_cron_job() -> None:
    cron_job = one(rendered(stack_spec()), CRON_JOB, "acme-identity-dump")
    assert cron_job.inputs["metadata"]["annotations"] == STACK_FILE_WINS | {"catalyx-dr/recovery-point": "7d"}


def test_config_map_is_the_specification_that_the_jobs_read() -> None:
    spec = stack_spec()
    config_map = one(rendered(spec), ":ConfigMap", "catalyx-dr-acme")
    assert ValidatorSpec.model_validate_json(config_map.inputs["data"]["validator.json"]) == spec.validators[0]


def test_volume_has_the_vendors_size_and_outlives_the_stack() -> None:
    claim = one(rendered(stack_spec()), ":PersistentVolumeClaim", "acme-backups")
    # 5 backups x (1 Gi + 2 Gi), and 20 % headroom.
    assert claim.inputs["spec"]["resources"]["requests"] == {"storage": "18Gi"}
    assert claim.inputs["spec"]["storageClassName"] == "standard"
    assert claim.options == {"retainOnDelete": True, "ignoreChanges": ["spec.resources.requests"]}


def test_volume_that_grew_is_adopted_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    lookup = ClusterLookup(ClusterAccess(), preview=False, now=NOW)
    monkeypatch.setattr(lookup, "volume_sizes", lambda specs: {"acme": Quantity.parse("40Gi")})
    claim = one(rendered(stack_spec(), lookup), ":PersistentVolumeClaim", "acme-backups")
    assert claim.inputs["spec"]["resources"]["requests"] == {"storage": "40Gi"}


@pytest.mark.parametrize(
    ("present", "said"),
    [
        ("40Gi", "the volume stays 40 GiB (18 GiB would be enough, but a volume never shrinks)"),
        ("12Gi", "the volume 12 GiB -> 18 GiB with the next backup"),
    ],
)
def test_what_becomes_of_a_volume_that_is_there_is_said(
    present: str, said: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    lookup = ClusterLookup(ClusterAccess(), preview=True, now=NOW)
    monkeypatch.setattr(lookup, "volume_sizes", lambda specs: {"acme": Quantity.parse(present)})
    caplog.set_level("INFO")
    rendered(stack_spec(), lookup)
    assert said in [record.message for record in caplog.records]


@pytest.mark.filterwarnings("ignore:.*has been deprecated in favor of:DeprecationWarning")
def test_bucket_and_volume_are_protected_in_production() -> None:
    resources = rendered_stack("prod")
    for kind, name in (
        (":PersistentVolumeClaim", "acme-main-backups"),
        ("s3/bucket:Bucket", "acme-canton-prod-backups"),
    ):
        assert one(resources, kind, name).options["protect"] is True
        assert one(resources, kind, name).options["retainOnDelete"] is True


def test_schedules_wait_for_volume_bucket_and_permissions() -> None:
    depends_on = set(one(rendered(stack_spec()), CRON_JOB, "acme-backup").depends_on)
    assert {"acme-backups", "acme-bucket", "acme-backup", "catalyx-dr-acme"} <= depends_on


def test_bucket_only_backup_has_no_claim() -> None:
    backup = {"bucket": VALIDATOR["backup"]["bucket"], "scratch": "4Gi"}
    resources = rendered(stack_spec(validators=[VALIDATOR | {"backup": backup}]))
    assert not [resource for resource in resources if resource.type.endswith(":PersistentVolumeClaim")]
    template = one(resources, CRON_JOB, "acme-backup").inputs["spec"]["jobTemplate"]["spec"]["template"]
    assert {"name": "scratch", "emptyDir": {"sizeLimit": "4Gi"}} in template["spec"]["volumes"]


def test_dump_job_sees_neither_database_password_nor_volume() -> None:
    template = one(rendered(stack_spec()), CRON_JOB, "acme-identity-dump").inputs["spec"]["jobTemplate"]
    text = json.dumps(template)
    assert "postgres-secrets" not in text
    assert "persistentVolumeClaim" not in text


def test_what_is_kept_names_every_place() -> None:
    kept = (
        "acme: claim canton/acme-backups; s3://acme-backups/acme/; Secrets canton/acme-identities-*; records in canton"
    )
    assert one(rendered(stack_spec()), "catalyx-dr:kept:Backups", kept)


def test_names_are_explicit_and_unique_by_type() -> None:
    resources = rendered_stack("local")
    for resource in resources:
        if resource.type.startswith("kubernetes:"):
            assert resource.inputs["metadata"]["name"] == resource.name
            assert resource.inputs["metadata"]["namespace"] == "validator-1"
    assert len({(resource.type, resource.name) for resource in resources}) == len(resources)


def test_warnings_of_the_policy_appear_on_the_component(caplog: pytest.LogCaptureFixture) -> None:
    validator = VALIDATOR | {"backup": {"volume": {"storageClass": "standard"}}}
    rendered(stack_spec(validators=[validator]))
    warnings = [record.message for record in caplog.records if "DR033" in record.message]
    assert len(warnings) == 1
    assert not warnings[0].startswith("warning")


def test_verification_sees_volume_and_store_but_no_database() -> None:
    resources = rendered(stack_spec(validators=[VALIDATOR | {"verification": {}}]))
    cron_job = one(resources, CRON_JOB, "acme-verify")
    spec = cron_job.inputs["spec"]
    template = spec["jobTemplate"]["spec"]["template"]["spec"]
    assert (spec["schedule"], template["containers"][0]["args"]) == ("0 3 * * 0", ["verify"])
    assert template["serviceAccountName"] == "acme-verify"
    text = json.dumps(template)
    assert "backup-store" in text
    assert "acme-backups" in text
    assert "postgres-secrets" not in text
    assert {"acme-backups", "acme-bucket", "acme-verify"} <= set(cron_job.depends_on)


def _drill(**declared: object) -> dict[str, Any]:
    resources = rendered(stack_spec(validators=[VALIDATOR | {"drill": declared}]))
    job = one(resources, CRON_JOB, "acme-drill").inputs["spec"]["jobTemplate"]["spec"]
    assert job["ttlSecondsAfterFinished"] == 3600
    template: dict[str, Any] = job["template"]["spec"]
    return template


def test_drill_runs_beside_a_server_that_only_its_pod_reaches() -> None:
    template = _drill(image="registry.example/postgres:16", runAsUser=70)
    (server,) = template["initContainers"]
    assert (server["image"], server["restartPolicy"]) == ("registry.example/postgres:16", "Always")
    assert server["securityContext"]["runAsUser"] == 70
    assert "listen_addresses=127.0.0.1" in server["command"][2]
    # The storage of both databases: 1 Gi and 2 Gi.
    assert {"name": "throw-away", "emptyDir": {"sizeLimit": "3Gi"}} in template["volumes"]
    assert "postgres-secrets" not in json.dumps(template)
    assert "acme-backups" in json.dumps(template)


def test_large_drill_has_a_claim_that_goes_with_its_pod() -> None:
    template = _drill(
        storageClass="fast", storage="9Gi", source="bucket", ageIdentity={"name": "age", "key": "identity"}
    )
    volumes = {volume["name"]: volume for volume in template["volumes"]}
    for name in ("throw-away", "scratch"):
        claim = volumes[name]["ephemeral"]["volumeClaimTemplate"]["spec"]
        assert (claim["storageClassName"], claim["resources"]["requests"]["storage"]) == ("fast", "9Gi")
    assert "backups" not in volumes
    assert "identity" in json.dumps(volumes["configuration"])


def test_webhook_is_mounted_where_runs_may_fail_and_nowhere_else() -> None:
    alerts = {"webhook": {"name": "backup-alerts", "key": "url"}}
    resources = rendered(stack_spec(validators=[VALIDATOR | {"alerts": alerts, "verification": {}, "drill": {}}]))
    for name in ("acme-backup", "acme-identity-dump", "acme-verify", "acme-drill"):
        assert "backup-alerts" in json.dumps(one(resources, CRON_JOB, name).inputs["spec"])


def test_authorities_of_the_store_are_mounted_where_the_command_looks() -> None:
    bucket = VALIDATOR["backup"]["bucket"] | {"caBundle": {"name": "store-ca", "key": "root.pem"}}
    resources = rendered(stack_spec(validators=[VALIDATOR | {"backup": VALIDATOR["backup"] | {"bucket": bucket}}]))
    template = one(resources, CRON_JOB, "acme-backup").inputs["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    sources = {volume["name"]: volume for volume in template["volumes"]}["configuration"]["projected"]["sources"]
    items = [{"key": "root.pem", "path": "secrets/store-ca/root.pem"}]
    assert {"configMap": {"name": "store-ca", "items": items, "optional": True}} in sources


def test_pods_that_share_the_volume_go_to_one_node() -> None:
    resources = rendered(stack_spec(validators=[VALIDATOR | {"verification": {}, "drill": {}}]))
    jobs = ("acme-backup", "acme-verify", "acme-drill")
    templates = [one(resources, CRON_JOB, name).inputs["spec"]["jobTemplate"]["spec"]["template"] for name in jobs]
    assert {template["metadata"]["labels"]["catalyx-dr/volume"] for template in templates} == {"acme-backups"}
    for template in templates:
        (wish,) = template["spec"]["affinity"]["podAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
        assert wish["podAffinityTerm"]["labelSelector"] == {"matchLabels": {"catalyx-dr/volume": "acme-backups"}}
    dump = one(resources, CRON_JOB, "acme-identity-dump").inputs["spec"]["jobTemplate"]["spec"]["template"]
    assert "affinity" not in dump["spec"]
