"""Putting the platform's objects into the cluster, and waiting until they serve."""

import base64
import time
from collections.abc import Callable
from pathlib import Path
from string import Template

from lightkube import Client, KubeConfig, codecs
from lightkube.core.exceptions import ApiError
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.apps_v1 import Deployment, StatefulSet
from lightkube.resources.core_v1 import Namespace, Secret, Service

from dev.cluster import kubeconfig_path
from dev.platform.identities import WALLET_USER_ID, make_secrets
from dev.steps import StepError

_HERE = Path(__file__).resolve().parent
_PATIENCE_SECONDS = 420.0
POLL_SECONDS = 0.5


def client() -> Client:
    """The local cluster's API."""
    return Client(KubeConfig.from_file(kubeconfig_path()).get(), field_manager="catalyx-dr-dev")


def apply_secrets(api: Client, namespace: str) -> None:
    """Create the namespaces and Secrets that are missing; passwords that exist stay as they are."""
    for name in ("platform", namespace):
        api.apply(Namespace(apiVersion="v1", kind="Namespace", metadata=ObjectMeta(name=name)))
    made = make_secrets(namespace)
    existing = {place: read_secret(api, *place) for place in made}
    # They belong together: a part of them alone would not fit the rest.
    if all(existing.values()):
        return
    for (space, name), data in made.items():
        encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
        metadata = ObjectMeta(name=name, namespace=space)
        api.apply(Secret(apiVersion="v1", kind="Secret", metadata=metadata, data=encoded), force=True)


def apply_manifest(api: Client, name: str, **values: str) -> None:
    """Apply one file of this folder; `values` fill its placeholders."""
    text = (_HERE / name).read_text()
    filled = Template(text).substitute(values, wallet_user_id=WALLET_USER_ID) if values else text
    for item in codecs.load_all_yaml(filled):
        api.apply(item, force=True)


def read_secret(api: Client, namespace: str, name: str) -> dict[str, str] | None:
    """Values of a Secret, or None when it is not there."""
    try:
        data = api.get(Secret, name, namespace=namespace).data or {}
    except ApiError as error:
        if error.status.code == 404:
            return None
        raise
    return {key: base64.b64decode(value).decode() for key, value in data.items()}


def service_address(api: Client, namespace: str, name: str) -> str:
    """Cluster IP of a Service; reachable from this machine as from pods."""
    spec = api.get(Service, name, namespace=namespace).spec
    if spec is None or spec.clusterIP is None:
        raise StepError(f"Service {namespace}/{name} has no address")
    return spec.clusterIP


def wait_ready(api: Client, kind: type[Deployment] | type[StatefulSet], namespace: str, name: str) -> None:
    """Wait until every replica is ready. Raises StepError after some minutes."""

    def ready() -> bool:
        found = api.get(kind, name, namespace=namespace)
        wanted = (found.spec.replicas if found.spec else None) or 1
        return ((found.status.readyReplicas if found.status else None) or 0) >= wanted

    wait_for(ready, f"{namespace}/{name} is not ready; look at: kubectl -n {namespace} describe pods")
    print(f"  {namespace}/{name} is ready", flush=True)


def wait_for(condition: Callable[[], bool], problem: str, seconds: float = _PATIENCE_SECONDS) -> None:
    """Poll `condition`; raises StepError with `problem` after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise StepError(f"after {seconds:.0f} s: {problem}")
        time.sleep(POLL_SECONDS)
