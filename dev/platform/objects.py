"""Putting the platform's objects into the cluster, and waiting until they serve."""

import base64
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from string import Template

from lightkube import Client, KubeConfig, codecs
from lightkube.core.exceptions import ApiError
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.apps_v1 import Deployment, StatefulSet
from lightkube.resources.core_v1 import Namespace, Pod, Secret, Service

from dev.cluster import kubeconfig_path
from dev.platform.identities import (
    ONBOARDING_SECRET,
    WALLET_USER_ID,
    SecretData,
    make_onboarding_secret,
    make_shared_secrets,
    make_validator_secrets,
)
from dev.steps import StepError

_HERE = Path(__file__).resolve().parent
_PATIENCE_SECONDS = 420.0
POLL_SECONDS = 0.5
SHARED_NAMESPACE = "platform"
IDENTIFIER_VARIABLE = "SPLICE_APP_VALIDATOR_PARTICIPANT_IDENTIFIER"


class NotThereError(Exception):
    """The API server knows no such object."""


@contextmanager
def client() -> Iterator[Client]:
    """The local cluster's API; its connections are closed at the end."""
    with closing(Client(KubeConfig.from_file(kubeconfig_path()).get(), field_manager="catalyx-dr-dev")) as api:
        yield api


def apply_secrets(api: Client, namespace: str) -> None:
    """Create the namespaces and Secrets that are missing; passwords that exist stay as they are."""
    for name in (SHARED_NAMESPACE, namespace):
        api.apply(Namespace(apiVersion="v1", kind="Namespace", metadata=ObjectMeta(name=name)))
    shared = _create_missing(api, SHARED_NAMESPACE, make_shared_secrets())
    _create_missing(api, namespace, make_validator_secrets(shared))


def _create_missing(api: Client, namespace: str, wanted: dict[str, SecretData]) -> dict[str, SecretData]:
    """Create each Secret that is not there; returns the values of all as they are now."""
    values = {}
    for name, data in wanted.items():
        existing = read_secret(api, namespace, name)
        if existing is None:
            api.create(_secret(namespace, name, data))
        values[name] = existing or data
    return values


def _secret(namespace: str, name: str, data: SecretData) -> Secret:
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    return Secret(metadata=ObjectMeta(name=name, namespace=namespace), data=encoded)


def renew_onboarding_secret(api: Client, namespace: str) -> None:
    """Put a new one-time secret in the place of the used one."""
    api.replace(_secret(namespace, ONBOARDING_SECRET, make_onboarding_secret()))


def remove_validator_workloads(api: Client, namespace: str) -> None:
    """Delete participant and validator app with every setting that was changed on them. Raises StepError."""
    names = ["participant", "validator-app"]
    for name in names:
        api.delete(Deployment, name, namespace=namespace)

    def all_gone() -> bool:
        return not list(api.list(Pod, namespace=namespace, labels={"app": names}))

    wait_for(all_gone, f"pods of {namespace} do not end; look at: kubectl -n {namespace} get pods")


def delete_namespace(api: Client, name: str) -> None:
    """Delete a namespace with everything in it, and wait until it is gone. Raises StepError."""
    with suppress(NotThereError), _telling_what_is_missing():
        api.delete(Namespace, name)
    problem = f"namespace {name} is still there; look at: kubectl get namespace {name} -o yaml"
    wait_for(lambda: _is_gone(api, name), problem)


def validator_namespaces(api: Client) -> list[str]:
    """Namespaces in which a validator app is deployed."""
    deployments = api.list(Deployment, namespace="*", fields={"metadata.name": "validator-app"})
    return [one.metadata.namespace for one in deployments if one.metadata and one.metadata.namespace]


def _is_gone(api: Client, namespace: str) -> bool:
    try:
        with _telling_what_is_missing():
            api.get(Namespace, namespace)
    except NotThereError:
        return True
    return False


def deployed_identifier(api: Client, namespace: str) -> str | None:
    """The node identifier that the validator app runs with, or None before its first deployment."""
    try:
        with _telling_what_is_missing():
            spec = api.get(Deployment, "validator-app", namespace=namespace).spec
    except NotThereError:
        return None
    template = spec.template.spec if spec else None
    variables = (template.containers[0].env if template else None) or []
    return next((one.value for one in variables if one.name == IDENTIFIER_VARIABLE), None)


def apply_manifest(api: Client, name: str, **values: str) -> None:
    """Apply one file of this folder; `values` fill its placeholders."""
    text = (_HERE / name).read_text()
    filled = Template(text).substitute(values, wallet_user_id=WALLET_USER_ID) if values else text
    for item in codecs.load_all_yaml(filled):
        api.apply(item, force=True)


def read_secret(api: Client, namespace: str, name: str) -> SecretData | None:
    """Values of a Secret, or None when it is not there."""
    try:
        with _telling_what_is_missing():
            data = api.get(Secret, name, namespace=namespace).data or {}
    except NotThereError:
        return None
    return {key: base64.b64decode(value).decode() for key, value in data.items()}


@contextmanager
def _telling_what_is_missing() -> Iterator[None]:
    try:
        yield
    except ApiError as error:
        if error.status.code == 404:
            raise NotThereError from error
        raise


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
        spec, status, metadata = found.spec, found.status, found.metadata
        if spec is None or status is None or metadata is None or status.observedGeneration != metadata.generation:
            return False
        wanted = spec.replicas or 1
        return (status.readyReplicas or 0) >= wanted and (status.updatedReplicas or 0) >= wanted

    wait_for(ready, f"{namespace}/{name} is not ready; look at: kubectl -n {namespace} describe pods")
    print(f"  {namespace}/{name} is ready", flush=True)


def wait_for(condition: Callable[[], bool], problem: str, seconds: float = _PATIENCE_SECONDS) -> None:
    """Poll `condition`; raises StepError with `problem` after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise StepError(f"after {seconds:.0f} s: {problem}")
        time.sleep(POLL_SECONDS)
