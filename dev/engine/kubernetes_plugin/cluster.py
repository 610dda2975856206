"""The configured cluster: provider options, and a connection made when it is first needed."""

import os
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

from lightkube.config.kubeconfig import DEFAULT_NAMESPACE, SingleConfig
from lightkube.core.exceptions import ConfigError

from dev.engine.kubernetes_plugin.api_client import ApiClient, ApiError, UnreachableError
from dev.engine.kubernetes_plugin.kubeconfig import select_cluster
from dev.engine.kubernetes_plugin.object_identity import Kind
from dev.engine.kubernetes_plugin.replacement import MutabilityOptions

_OPTION_PREFIX = "kubernetes:config:"


@dataclass(frozen=True)
class ProviderOptions:
    """Options of the stack's configuration (namespace `kubernetes`) or of an explicit provider."""

    kubeconfig: str = ""
    context: str = ""
    cluster: str = ""
    namespace: str = ""
    delete_unreachable: bool = False
    force_conflicts: bool = False
    upsert: bool = False
    mutability: MutabilityOptions = field(default_factory=MutabilityOptions)

    @classmethod
    def from_variables(cls, variables: Mapping[str, str]) -> "ProviderOptions":
        """Read the options as the engine sends them; a switch that is not set may come from the environment."""

        def switch(name: str, environment: str) -> bool:
            return variables.get(_OPTION_PREFIX + name, os.environ.get(environment, "")) == "true"

        return cls(
            kubeconfig=variables.get(_OPTION_PREFIX + "kubeconfig", ""),
            context=variables.get(_OPTION_PREFIX + "context", ""),
            cluster=variables.get(_OPTION_PREFIX + "cluster", ""),
            namespace=variables.get(_OPTION_PREFIX + "namespace", ""),
            delete_unreachable=switch("deleteUnreachable", "PULUMI_K8S_DELETE_UNREACHABLE"),
            force_conflicts=switch("enablePatchForce", "PULUMI_K8S_ENABLE_PATCH_FORCE"),
            upsert=switch("upsertExistingObjects", "PULUMI_K8S_UPSERT_EXISTING_OBJECTS"),
            mutability=MutabilityOptions(
                config_map=switch("enableConfigMapMutable", "PULUMI_K8S_ENABLE_CONFIGMAP_MUTABLE"),
                secret=switch("enableSecretMutable", "PULUMI_K8S_ENABLE_SECRET_MUTABLE"),
            ),
        )


class Cluster:
    """Connects once, at the first call that needs the API server; previews can do without."""

    def __init__(self, options: ProviderOptions) -> None:
        self.options = options
        self._config: SingleConfig | None = None
        self._fault: str | None = None
        try:
            self._config = select_cluster(options.kubeconfig, options.context, options.cluster)
        except ConfigError as error:
            self._fault = str(error)
        self._api: ApiClient | None = None
        self._lock = threading.Lock()

    @property
    def default_namespace(self) -> str:
        """The namespace of objects that name none: option, else context, else `default`."""
        from_context = self._config.namespace if self._config else DEFAULT_NAMESPACE
        return self.options.namespace or from_context

    def connect(self) -> ApiClient:
        """Return the client of the reachable API server. Raises UnreachableError, also for every later call."""
        with self._lock:
            if self._fault is None and self._api is None:
                self._try_to_connect()
            if self._api is None:
                raise UnreachableError(f"the configured Kubernetes cluster is unreachable: {self._fault}")
            return self._api

    def _try_to_connect(self) -> None:
        assert self._config is not None
        try:
            api = ApiClient(self._config)
            api.check_reachable()
            self._api = api
        except (UnreachableError, ApiError, ConfigError, OSError, ssl.SSLError) as error:
            self._fault = str(error)

    def is_namespaced(self, kind: Kind) -> bool:
        """Tell whether objects of a kind have a namespace; assumed when the kind or the cluster is unknown."""
        scope = kind.built_in_scope()
        if scope is not None:
            return scope
        try:
            return self.connect().is_namespaced(kind)
        except (UnreachableError, ApiError):
            return True
