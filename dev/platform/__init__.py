"""What runs in the local cluster beside the product: validators and their surroundings."""

from lightkube import Client
from lightkube.resources.apps_v1 import Deployment, StatefulSet

from dev.platform.databases import DATABASES, create_missing, wreck
from dev.platform.objects import (
    SHARED_NAMESPACE,
    apply_manifest,
    apply_secrets,
    client,
    delete_namespace,
    deployed_identifier,
    remove_validator_workloads,
    renew_onboarding_secret,
    validator_namespaces,
    wait_ready,
)
from dev.platform.wallet import Wallet
from dev.steps import step

NAMESPACE = "validator-1"
PARTY_HINT = "acme-validator-1"

__all__ = ["NAMESPACE", "PARTY_HINT", "Wallet", "client", "create_missing", "delete_namespace", "down", "up", "wreck"]


def up(namespace: str = NAMESPACE, party_hint: str = PARTY_HINT, node_identifier: str | None = None) -> None:
    """Have a validator and its surroundings ready; what is there already stays. Raises StepError.

    Without `node_identifier` a validator keeps the one it runs with, which an identity import may have changed; a
    new one takes its party hint. One that has lost both databases is onboarded anew, as another party.
    """
    with step("start the local platform", "platform", "Look at: kubectl get pods -A"), client() as api:
        apply_secrets(api, namespace)
        apply_manifest(api, "shared.yaml")
        deployed = deployed_identifier(api, namespace)
        _apply_validator(api, namespace, party_hint, node_identifier or deployed or party_hint)
        wait_ready(api, StatefulSet, namespace, "postgres")
        created = create_missing(api, namespace)
        if deployed and len(created) == len(DATABASES):
            print(f"  {namespace} has lost its databases and is onboarded anew", flush=True)
            remove_validator_workloads(api, namespace)
            renew_onboarding_secret(api, namespace)
            _apply_validator(api, namespace, party_hint, node_identifier or party_hint)
        for name in ("s3", "scan", "keycloak"):
            wait_ready(api, Deployment, SHARED_NAMESPACE, name)
        for name in ("participant", "validator-app"):
            wait_ready(api, Deployment, namespace, name)


def _apply_validator(api: Client, namespace: str, party_hint: str, node_identifier: str) -> None:
    apply_manifest(api, "validator.yaml", namespace=namespace, party_hint=party_hint, node_identifier=node_identifier)


def down(namespace: str = NAMESPACE) -> None:
    """Delete a validator with all its data, and after the last one what they share. Raises StepError."""
    with step("remove the local platform", "platform", "Look at: kubectl get namespaces"), client() as api:
        delete_namespace(api, namespace)
        if not validator_namespaces(api):
            delete_namespace(api, SHARED_NAMESPACE)
