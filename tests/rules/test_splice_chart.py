"""An import set on a Deployment is what Splice's chart would have rendered, to the letter."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalyx_dr.model.errors import RefusedError
from catalyx_dr.rules.splice_chart import carries_import, import_changes
from tests.fixtures_identity import apply_json_patch

SCAN = "http://scan:5012"
# The order of splice-validator/templates/validator.yaml with the variables that matter here.
CHART = ["SPLICE_APP_VALIDATOR_PARTY_HINT", "ADDITIONAL_CONFIG_PERSISTENCE", "ADDITIONAL_CONFIG_ENABLE_WALLET"]
CHART_LAST = ["FAIL_ON_APP_VERSION_MISMATCH", "SPLICE_APP_VALIDATOR_PARTICIPANT_IDENTIFIER", "SPLICE_APP_LATER"]


def deployment(*containers: str, env: list[str] | None = None) -> dict[str, Any]:
    """What the chart rendered before."""
    names = [*CHART, *CHART_LAST] if env is None else env
    return {
        "spec": {
            "template": {
                "spec": {
                    "containers": [
                        {
                            "name": name,
                            "env": [{"name": one, "value": "before"} for one in names],
                            "volumeMounts": [{"name": "logback-config", "mountPath": "/app/logback"}],
                        }
                        for name in containers or ("validator-app",)
                    ],
                    "volumes": [
                        {"name": "logback-config", "configMap": {"name": "logback", "defaultMode": 420}},
                        {"name": "domain-upgrade-dump-volume", "persistentVolumeClaim": {"claimName": "c"}},
                    ],
                }
            }
        }
    }


def changed(before: dict[str, Any], identifier: str = "new-1") -> dict[str, Any]:
    return apply_json_patch(before, import_changes(before, identifier, SCAN, "participant-bootstrap-dump"))


def test_variables_stand_where_the_chart_has_them_with_its_own_text() -> None:
    env = changed(deployment())["spec"]["template"]["spec"]["containers"][0]["env"]
    assert [one["name"] for one in env] == [
        *CHART[:2],
        "ADDITIONAL_CONFIG_SPLICE_APP_SV_PARTICIPANT_IDENTITIES_DUMP_IMPORT",
        "ADDITIONAL_CONFIG_MIGRATE_VALIDATOR_PARTY",
        *CHART[2:],
        *CHART_LAST,
    ]
    values = {one["name"]: one["value"] for one in env}
    assert values["ADDITIONAL_CONFIG_SPLICE_APP_SV_PARTICIPANT_IDENTITIES_DUMP_IMPORT"] == (
        "canton.validator-apps.validator_backend.participant-bootstrapping-dump {\n"
        "  type = file\n"
        "  file = /participant-bootstrapping-dump/content\n"
        '   new-participant-identifier = "new-1" \n'
        "}\n"
    )
    assert values["ADDITIONAL_CONFIG_MIGRATE_VALIDATOR_PARTY"] == (
        'canton.validator-apps.validator_backend.migrate-validator-party.scan.admin-api.url = "http://scan:5012"\n'
    )
    assert values["SPLICE_APP_VALIDATOR_PARTICIPANT_IDENTIFIER"] == "new-1"
    assert {name for name, value in values.items() if value == "before"} == {*CHART, *CHART_LAST} - {
        "SPLICE_APP_VALIDATOR_PARTICIPANT_IDENTIFIER"
    }


def test_the_dump_is_mounted_read_only() -> None:
    pod = changed(deployment())["spec"]["template"]["spec"]
    assert pod["containers"][0]["volumeMounts"][-1] == {
        "name": "participant-bootstrapping-dump-volume",
        "mountPath": "/participant-bootstrapping-dump",
        "readOnly": True,
    }
    assert [volume["name"] for volume in pod["volumes"]] == [
        "logback-config",
        "participant-bootstrapping-dump-volume",
        "domain-upgrade-dump-volume",
    ]
    assert pod["volumes"][1]["secret"] == {"secretName": "participant-bootstrap-dump"}


@given(st.permutations([*CHART, *CHART_LAST]), st.integers(min_value=0, max_value=6))
def test_a_second_time_changes_nothing_and_a_third_identifier_only_itself(env: list[str], kept: int) -> None:
    once = changed(deployment(env=env[:kept]))
    assert import_changes(once, "new-1", SCAN, "participant-bootstrap-dump") == []
    assert carries_import(once, "new-1")
    again = changed(once, "new-2")
    assert carries_import(again, "new-2")
    assert not carries_import(again, "new-1")
    assert str(again).replace("new-2", "new-1") == str(once)


def test_defaults_of_the_api_are_no_difference() -> None:
    once = changed(deployment())
    once["spec"]["template"]["spec"]["volumes"][1]["secret"]["defaultMode"] = 420
    assert import_changes(once, "new-1", SCAN, "participant-bootstrap-dump") == []


def test_an_identifier_from_elsewhere_is_replaced() -> None:
    before = deployment()
    env = before["spec"]["template"]["spec"]["containers"][0]["env"]
    env[4] = {"name": "SPLICE_APP_VALIDATOR_PARTICIPANT_IDENTIFIER", "valueFrom": {"configMapKeyRef": {"name": "x"}}}
    assert changed(before)["spec"]["template"]["spec"]["containers"][0]["env"][6] == {
        "name": "SPLICE_APP_VALIDATOR_PARTICIPANT_IDENTIFIER",
        "value": "new-1",
    }


def test_only_the_validators_container_is_touched() -> None:
    before = deployment("istio-proxy", "validator-app")
    after = changed(copy.deepcopy(before))
    assert after["spec"]["template"]["spec"]["containers"][0] == before["spec"]["template"]["spec"]["containers"][0]
    assert carries_import(after, "new-1")


def test_an_unknown_pod_is_refused() -> None:
    with pytest.raises(RefusedError, match="containers a, b; Splice's chart names one validator-app"):
        changed(deployment("a", "b"))
    assert not carries_import(deployment(), "new-1")
