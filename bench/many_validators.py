"""Stacks of many validators, which differ in everything that two validators must not share."""

from typing import Any

RECIPIENT = "age17lpfjcd9h4mlp9n8mff9de49p8cja63zrvs5sjd9zdu0rzpfdevq2sv24x"


def configuration(count: int, namespace: str) -> dict[str, Any]:
    """Configuration of a development stack with `count` validators in one namespace, and a bucket made elsewhere."""
    return {
        "environment": "development",
        "agent": {"image": "localhost/catalyx-dr/agent:dev"},
        "validators": [_validator(number, namespace) for number in range(count)],
    }


def _validator(number: int, namespace: str) -> dict[str, Any]:
    name = f"v{number}"
    return {
        "name": name,
        "namespace": namespace,
        "partyHint": f"{name}-validator-1",
        "nodeIdentifier": f"{name}-validator-1",
        "databases": {
            "server": {"host": f"{name}-postgres"},
            "validatorApp": {"name": "cantonnet_validator", "schema": "validator", "storage": "128Mi"},
            "participant": {"name": "participant", "schema": "participant", "storage": "128Mi"},
        },
        "api": {"url": f"http://{name}-validator-app:5003"},
        "workloads": [{"name": f"{name}-validator-app"}, {"name": f"{name}-participant"}],
        "target": {
            "kind": "splice-helm",
            "scanUrl": "https://scan.example",
            "validatorWorkload": {"name": f"{name}-validator-app"},
            "bootstrapSecret": f"{name}-participant-bootstrap-dump",
        },
        "backup": {
            "cron": f"{number % 60} {number // 60} * * *",
            "volume": {"storageClass": "standard"},
            "bucket": {
                "name": "canton-backups",
                "provider": "existing",
                "endpoint": "https://s3.example",
                "credentials": {"secret": "backup-store"},
            },
        },
        "identityDump": {"cron": f"{number % 60} {2 + number // 60} * * 0"},
        "encryption": {"recipients": [RECIPIENT]},
    }
