"""Small valid stacks for tests, changed by what a test is about."""

from copy import deepcopy
from typing import Any

from catalyx_dr.model.environment_spec import EnvironmentSpec
from catalyx_dr.model.validator_spec import ValidatorSpec
from catalyx_dr.rules.environments import load_environment

RECIPIENT = "age17lpfjcd9h4mlp9n8mff9de49p8cja63zrvs5sjd9zdu0rzpfdevq2sv24x"
VALIDATOR: dict[str, Any] = {
    "name": "acme",
    "namespace": "canton",
    "partyHint": "acme-validator-1",
    "nodeIdentifier": "acme-validator-1",
    "databases": {
        "server": {"host": "postgres"},
        "validatorApp": {"name": "cantonnet_validator", "schema": "validator", "storage": "1Gi"},
        "participant": {"name": "participant", "schema": "participant", "storage": "2Gi"},
    },
    "target": {"kind": "splice-helm", "scanUrl": "https://scan.example"},
    "backup": {
        "volume": {"storageClass": "standard", "encryptedAtRest": True},
        "bucket": {
            "name": "acme-backups",
            "provider": "s3-compatible",
            "endpoint": "https://s3.example",
            "credentials": {"secret": "backup-store"},
        },
    },
    "identityDump": {},
    "encryption": {"recipients": [RECIPIENT]},
}


def raw_stack(environment: str = "development", **more: Any) -> dict[str, Any]:
    """A stack file's configuration with one validator."""
    stack = {"environment": environment, "agent": {"image": "registry.example/agent:1"}, "validators": [VALIDATOR]}
    return deepcopy(stack | more)


def stack_spec(environment: str = "development", **more: Any) -> EnvironmentSpec:
    """The same, read."""
    return load_environment(raw_stack(environment, **more))


def validator_spec(**changes: Any) -> ValidatorSpec:
    """The validator alone, with some of its keys changed; None takes one away."""
    document = {key: value for key, value in (VALIDATOR | changes).items() if value is not None}
    return load_environment(raw_stack(validators=[document])).validators[0]


def snapshotted_spec(**changes: Any) -> ValidatorSpec:
    """The same with backups by snapshot of its one server."""
    server = {"host": "pg", "volume": {"claim": "pg-data-postgres-0", "statefulSet": "postgres"}}
    return validator_spec(
        databases=VALIDATOR["databases"] | {"server": server},
        backup={"method": "snapshot", "snapshot": {"volumeSnapshotClass": "csi"}},
        **changes,
    )
