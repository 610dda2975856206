"""What runs in the local cluster beside the product: one validator and its surroundings."""

from lightkube.resources.apps_v1 import Deployment, StatefulSet

from dev.platform.databases import create_missing, wreck
from dev.platform.objects import apply_manifest, apply_secrets, client, wait_ready
from dev.platform.wallet import Wallet
from dev.steps import step

NAMESPACE = "validator-1"
PARTY_HINT = "acme-validator-1"

__all__ = ["NAMESPACE", "PARTY_HINT", "Wallet", "client", "create_missing", "up", "wreck"]


def up(namespace: str = NAMESPACE) -> None:
    """Have the validator and its surroundings ready; what is there already stays. Raises StepError."""
    with step("start the local platform", "platform", "Look at: kubectl get pods -A"):
        api = client()
        apply_secrets(api, namespace)
        apply_manifest(api, "shared.yaml")
        apply_manifest(api, "validator.yaml", namespace=namespace, party_hint=PARTY_HINT, node_identifier=PARTY_HINT)
        wait_ready(api, StatefulSet, namespace, "postgres")
        create_missing(api, namespace)
        for name in ("s3", "scan", "keycloak"):
            wait_ready(api, Deployment, "platform", name)
        for name in ("participant", "validator-app"):
            wait_ready(api, Deployment, namespace, name)
