"""Putting the platform's objects into the cluster, and waiting until they serve."""

import base64
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from string import Template

from lightkube import Client, KubeConfig, codecs
from lightkube.core.exceptions import ApiError
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.apps_v1 import Deployment, StatefulSet
from lightkube.resources.core_v1 import Namespace, Pod, Secret

from dev.cluster import kubeconfig_path
from dev.cluster.waiting import wait_until
from dev.platform.identities import (
    ONBOARDING_SECRET,
    WALLET_USER_ID,
    SecretData,
    make_onboarding_secret,
    make_shared_secrets,
    make_validator_secrets,
)

_HERE = Path(__file__).resolve().parent
PATIENCE_SECONDS = 420.0
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

    wait_until(all_gone, f"the end of {namespace}'s pods", PATIENCE_SECONDS, f"See kubectl -n {namespace} get pods.")


def delete_namespace(api: Client, name: str) -> None:
    """Delete a namespace with everything in it, and wait until it is gone. Raises StepError."""
    with suppress(NotThereError), _telling_what_is_missing():
        api.delete(Namespace, name)
    advice = f"See kubectl get namespace {name} -o yaml."
    wait_until(lambda: _is_gone(api, name), f"the end of namespace {name}", PATIENCE_SECONDS, advice)


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


def wait_ready(api: Client, kind: type[Deployment] | type[StatefulSet], namespace: str, name: str) -> None:
    """Wait until every replica is ready. Raises StepError after some minutes."""

    def ready() -> bool:
        found = api.get(kind, name, namespace=namespace)
        spec, status, metadata = found.spec, found.status, found.metadata
        if spec is None or status is None or metadata is None or status.observedGeneration != metadata.generation:
            return False
        wanted = spec.replicas or 1
        return (status.readyReplicas or 0) >= wanted and (status.updatedReplicas or 0) >= wanted

    advice = f"See kubectl -n {namespace} describe pods."
    wait_until(ready, f"readiness of {namespace}/{name}", PATIENCE_SECONDS, advice)
    print(f"  {namespace}/{name} is ready", flush=True)
