"""The Kubernetes API, bound to one namespace: connection, and the small objects this project keeps there."""

import os
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import httpx2
import yaml
from lightkube import Client, KubeConfig
from lightkube.config.client_adapter import verify_cluster
from lightkube.config.kubeconfig import SingleConfig
from lightkube.core.exceptions import ApiError, ConfigError
from lightkube.models.meta_v1 import ObjectMeta, OwnerReference
from lightkube.resources.core_v1 import ConfigMap, Secret

from catalyx_dr.adapters.api_silence import PatientTransport
from catalyx_dr.model.errors import CatalyxDrError, MissingError, RefusedError, UnreachableError

MANAGED_BY = "app.kubernetes.io/managed-by"
VALIDATOR_LABEL = "catalyx-dr/validator"
RECORD_LABEL = "catalyx-dr/record"
FIELD_MANAGER = "catalyx-dr"
_TIMEOUT_SECONDS = 30.0
_Found = TypeVar("_Found")


def labels(validator: str, **more: str) -> dict[str, str]:
    """Labels of every object of ours."""
    return {MANAGED_BY: FIELD_MANAGER, VALIDATOR_LABEL: validator, **more}


class Cluster:
    """One namespace of one cluster."""

    def __init__(self, client: Client, namespace: str) -> None:
        self.client = client
        self.namespace = namespace

    def close(self) -> None:
        """Let go of its connections."""
        self.client.close()

    def save_config_map(self, name: str, data: Mapping[str, str], object_labels: Mapping[str, str]) -> None:
        """Create or replace a ConfigMap of ours."""
        metadata = ObjectMeta(name=name, namespace=self.namespace, labels=dict(object_labels))
        config_map = ConfigMap(apiVersion="v1", kind="ConfigMap", metadata=metadata, data=dict(data))
        with explained(f"save ConfigMap {self.namespace}/{name}"):
            self.client.apply(config_map, force=True)

    def config_map(self, name: str) -> Mapping[str, str] | None:
        """Data of a ConfigMap, or None when there is none."""
        return if_there(
            f"read ConfigMap {self.namespace}/{name}",
            lambda: self.client.get(ConfigMap, name, namespace=self.namespace).data or {},
        )

    def config_maps(self, selector: Mapping[str, str]) -> dict[str, Mapping[str, str]]:
        """Data of every ConfigMap with these labels, by name."""
        with explained(f"list ConfigMaps in {self.namespace}"):
            found = self.client.list(ConfigMap, namespace=self.namespace, labels=dict(selector))
            return {one.metadata.name or "": one.data or {} for one in found if one.metadata}

    def delete_config_map(self, name: str) -> None:
        """Delete a ConfigMap; one that is gone already is no error."""
        with explained(f"delete ConfigMap {self.namespace}/{name}"), gone_is_fine():
            self.client.delete(ConfigMap, name, namespace=self.namespace)

    def create_secret(
        self,
        name: str,
        data: Mapping[str, bytes],
        object_labels: Mapping[str, str],
        *,
        immutable: bool,
        owners: Sequence[OwnerReference] = (),
    ) -> None:
        """Create a Secret, which goes when its owners do; RefusedError when the name is taken."""
        metadata = ObjectMeta(
            name=name, namespace=self.namespace, labels=dict(object_labels), ownerReferences=list(owners)
        )
        encoded = {key: b64encode(value).decode() for key, value in data.items()}
        with explained(f"create Secret {self.namespace}/{name}"):
            self.client.create(Secret(metadata=metadata, data=encoded, immutable=immutable))

    def has_secret(self, name: str) -> bool:
        """Tell whether a Secret is there: the API server tries to create one of its name, and keeps nothing.

        So it takes the right to create Secrets, and none to read what they hold.
        """
        metadata = ObjectMeta(name=name, namespace=self.namespace)
        with explained(f"look for Secret {self.namespace}/{name}"):
            try:
                self.client.create(Secret(metadata=metadata), dry_run=True)
            except ApiError as error:
                if error.status.code == 409:
                    return True
                raise
        return False

    def delete_secret(self, name: str) -> None:
        """Delete a Secret; one that is gone already is no error."""
        with explained(f"delete Secret {self.namespace}/{name}"), gone_is_fine():
            self.client.delete(Secret, name, namespace=self.namespace)


def connect(
    namespace: str,
    kubeconfig: str | None = None,
    context: str | None = None,
    patience: timedelta | None = None,
    say: Callable[[str], None] = print,
) -> Cluster:
    """Reach the cluster of `kubeconfig` (content or path), else of KUBECONFIG, else the pod's own service account.

    `patience`: how long every request bears an API that is silent, and `say` is told; None for not at all.
    Makes no request. Raises RefusedError when the configuration cannot be read or lacks `context`.
    """
    try:
        config = _read_config(kubeconfig).get(context)
    except (ConfigError, yaml.YAMLError, KeyError, OSError) as error:
        raise RefusedError(
            f"no usable Kubernetes configuration ({type(error).__name__}); set kubernetes:kubeconfig or "
            "kubernetes:context in the stack, or KUBECONFIG to a file that names the cluster"
        ) from None
    if config is None:
        raise RefusedError(f"the Kubernetes configuration has no context {context or '(current)'!r}; choose one it has")
    client = Client(
        config,
        namespace=namespace,
        field_manager=FIELD_MANAGER,
        timeout=httpx2.Timeout(_TIMEOUT_SECONDS),
        transport=_patient_way(config, patience, say) if patience else None,
    )
    return Cluster(client, namespace)


def _patient_way(config: SingleConfig, patience: timedelta, say: Callable[[str], None]) -> PatientTransport:
    """The way that the client would take by itself, but with patience."""
    trust = verify_cluster(config.cluster, config.user, config.abs_file)  # type: ignore[arg-type]
    return PatientTransport(httpx2.HTTPTransport(verify=trust), patience, say)


def _read_config(kubeconfig: str | None) -> KubeConfig:
    if kubeconfig and "\n" in kubeconfig:
        return KubeConfig.from_dict(yaml.safe_load(kubeconfig))
    if kubeconfig:
        return KubeConfig.from_file(kubeconfig)
    if "KUBECONFIG" in os.environ:
        return KubeConfig.from_file(os.environ["KUBECONFIG"].split(os.pathsep)[0])
    return KubeConfig.from_env(default_config=Path("~/.kube/config"))


@contextmanager
def explained(action: str) -> Iterator[None]:
    """Turn failures of the API into errors that say what was attempted and what to do."""
    try:
        yield
    except ApiError as error:
        raise _explain(action, error) from None
    except httpx2.HTTPStatusError as error:
        # Of a group that it has never heard of the API server says so in plain text.
        if error.response.status_code == 404:
            raise MissingError(f"could not {action}: the cluster does not know the kind") from None
        raise UnreachableError(
            f"could not {action}: the Kubernetes API answered {error.response.status_code}; check the cluster"
        ) from None
    except httpx2.HTTPError as error:
        raise UnreachableError(
            f"could not {action}: the Kubernetes API did not answer ({type(error).__name__}); check the cluster"
        ) from None


def _explain(action: str, error: ApiError) -> CatalyxDrError:
    code, message = error.status.code or 0, error.status.message or "no message"
    if code == 403:
        return RefusedError(f"not allowed to {action}: {message}; grant this to the identity in use")
    if code == 404:
        return MissingError(f"could not {action}: {message}")
    if code >= 500 or code == 429:
        return UnreachableError(f"could not {action}: the Kubernetes API answered {code}: {message}")
    return RefusedError(f"could not {action}: {message}")


def if_there(action: str, ask: Callable[[], _Found]) -> _Found | None:
    """What `ask` finds; None when there is no such object, or the cluster does not know its kind."""
    try:
        with explained(action):
            return ask()
    except MissingError:
        return None


@contextmanager
def gone_is_fine() -> Iterator[None]:
    """Let a deletion pass when its object is gone already."""
    try:
        yield
    except ApiError as error:
        if error.status.code != 404:
            raise
