from typing import Any

from components.permissions import backup_rules, drill_rules, identity_dump_rules, recovery_rules, verification_rules
from tests.components.rendering import one, rendered
from tests.components.specs import VALIDATOR, snapshotted_spec, stack_spec, validator_spec

EVERY_RUN: dict[tuple[str, tuple[str, ...]], set[str]] = {
    ("configmaps", ()): {"get", "list", "create", "patch", "delete"},
    ("events", ()): {"create"},
    ("cronjobs", ("acme-backup", "acme-drill", "acme-identity-dump", "acme-verify")): {"get"},
}


def allowed(rules: Any) -> dict[tuple[str, tuple[str, ...]], set[str]]:
    return {(rule.resources[0], tuple(rule.resource_names or ())): set(rule.verbs) for rule in rules}


def test_backup_may_grow_its_own_claim_and_keep_records() -> None:
    rules = allowed(backup_rules(validator_spec()))
    assert rules == EVERY_RUN | {
        ("persistentvolumeclaims", ("acme-backups",)): {"get", "patch"},
    }


def test_backup_by_snapshots_reads_the_claims_it_snapshots_and_no_other() -> None:
    spec = snapshotted_spec()
    assert allowed(recovery_rules(validator_spec()))[("pods", ())] == {"get", "list"}
    assert allowed(recovery_rules(spec))[("persistentvolumeclaims", ())] == {"get", "create", "delete"}
    assert allowed(backup_rules(spec)) == EVERY_RUN | {
        ("leases", ()): {"get", "create", "update"},
        ("volumesnapshots", ()): {"get", "list", "create", "patch", "delete"},
        ("persistentvolumeclaims", ("pg-data-postgres-0",)): {"get"},
    }


def test_identity_dump_neither_reads_nor_lists_secrets() -> None:
    assert allowed(identity_dump_rules(validator_spec()))[("secrets", ())] == {"create", "delete"}


def test_recovery_changes_only_named_workloads() -> None:
    rules = allowed(recovery_rules(validator_spec()))
    assert rules[("deployments", ("participant", "validator-app"))] == {"get", "patch"}
    secrets = {names: verbs for (resource, names), verbs in rules.items() if resource == "secrets"}
    assert secrets == {(): {"create"}, ("participant-bootstrap-dump",): {"delete"}}


def test_lease_is_for_those_who_can_lock_no_volume() -> None:
    without = validator_spec(backup={"bucket": VALIDATOR["backup"]["bucket"]})
    for rules in (backup_rules, recovery_rules):
        assert allowed(rules(without))[("leases", ())] == {"get", "create", "update"}
        assert ("leases", ()) not in allowed(rules(validator_spec()))


def test_no_rule_uses_wildcards_and_no_role_is_cluster_wide() -> None:
    resources = rendered(stack_spec())
    assert not [resource for resource in resources if "ClusterRole" in resource.type]
    for resource in resources:
        if resource.type.endswith(":Role"):
            assert "*" not in str(resource.inputs["rules"])


def test_service_accounts_carry_the_annotations_of_the_stack_and_no_token() -> None:
    validator = (
        stack_spec()
        .validators[0]
        .model_copy(update={"service_account_annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/x"}})
    )
    resources = rendered(stack_spec().model_copy(update={"validators": (validator,)}))
    for name in ("acme-backup", "acme-identity-dump", "acme-recovery"):
        account = one(resources, ":ServiceAccount", name)
        assert account.inputs["automountServiceAccountToken"] is False
        assert account.inputs["metadata"]["annotations"]["eks.amazonaws.com/role-arn"] == "arn:aws:iam::1:role/x"


def test_verification_finds_secrets_without_reading_any() -> None:
    assert allowed(verification_rules(validator_spec())) == EVERY_RUN | {("secrets", ()): {"create"}}


def test_drill_of_dumps_touches_nothing_of_the_cluster() -> None:
    assert allowed(drill_rules(validator_spec(drill={}))) == EVERY_RUN


def test_drill_from_snapshots_reads_and_deletes_only_what_it_makes() -> None:
    assert allowed(drill_rules(snapshotted_spec(drill={}))) == EVERY_RUN | {
        ("leases", ()): {"get", "create", "update"},
        ("volumesnapshots", ()): {"get", "list"},
        ("statefulsets", ("postgres",)): {"get"},
        ("persistentvolumeclaims", ()): {"create"},
        ("persistentvolumeclaims", ("acme-drill-databases",)): {"get", "delete"},
        ("pods", ()): {"create"},
        ("pods", ("acme-drill-databases",)): {"get", "delete"},
    }
