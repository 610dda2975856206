"""The few calls of the Kubernetes API that the plugin makes, for objects of any kind."""

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx2
from lightkube.config.client_adapter import user_auth, verify_cluster
from lightkube.config.kubeconfig import SingleConfig

from dev.engine.kubernetes_plugin.object_identity import Kind, kind_of_object
from dev.engine.kubernetes_plugin.property_values import KubernetesObject

_CONNECT_SECONDS = 5.0
_ANSWER_SECONDS = 60.0
_CONNECTIONS = 64
_APPLY = "application/apply-patch+yaml"
_JSON_PATCH = "application/json-patch+json"


class ApiError(Exception):
    """The API server refused a call; the text is its own message."""

    def __init__(self, status_code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status_code = status_code
        self.reason = reason

    @property
    def is_missing(self) -> bool:
        """Whether the object, its namespace or its kind does not exist."""
        return self.status_code == httpx2.codes.NOT_FOUND


class UnreachableError(Exception):
    """The API server did not answer, or no cluster is configured."""


class UnknownKindError(ApiError):
    """The API server does not serve the kind, for example because its definition is not installed."""

    def __init__(self, kind: Kind) -> None:
        super().__init__(
            httpx2.codes.NOT_FOUND,
            "UnknownKind",
            f"the API server does not know kind {kind.kind} of {kind.api_version}; "
            "its CustomResourceDefinition must be created first",
        )


@dataclass(frozen=True)
class _Served:
    """How the API server serves a kind."""

    plural: str
    namespaced: bool


class ApiClient:
    """Talks to one API server; safe for use from many threads."""

    def __init__(self, config: SingleConfig) -> None:
        user = config.user
        assert user is not None
        self.server = config.cluster.server
        self._http = httpx2.Client(
            base_url=self.server,
            verify=verify_cluster(config.cluster, user, config.abs_file),
            auth=user_auth(user),
            timeout=httpx2.Timeout(_ANSWER_SECONDS, connect=_CONNECT_SECONDS),
            limits=httpx2.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=_CONNECTIONS),
            trust_env=False,
        )
        self._served: dict[str, dict[str, _Served]] = {}
        self._discovery_lock = threading.Lock()

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def check_reachable(self) -> None:
        """Raise UnreachableError or ApiError unless the server answers this user's discovery."""
        self._discover("v1")

    def is_namespaced(self, kind: Kind) -> bool:
        """Tell whether objects of a kind have a namespace. Raises UnknownKindError."""
        scope = kind.built_in_scope()
        return self._serving(kind).namespaced if scope is None else scope

    def forget_kinds(self) -> None:
        """Ask the server again for its kinds, because a definition has changed."""
        with self._discovery_lock:
            self._served.clear()

    def get(self, obj: KubernetesObject) -> KubernetesObject:
        """Read the object of the same kind, namespace and name."""
        return self._call("GET", self._path(obj))

    def create(self, obj: KubernetesObject, manager: str, *, dry_run: bool) -> KubernetesObject:
        """Create an object; fails when it exists. Fields that its schema does not know are an error."""
        parameters = {"fieldManager": manager, "fieldValidation": "Strict", **_dry_run(dry_run)}
        return self._call("POST", self._path(obj, of_collection=True), obj, parameters)

    def apply(self, obj: KubernetesObject, manager: str, *, force: bool, dry_run: bool = False) -> KubernetesObject:
        """Apply an object server-side; a field that another manager set is a conflict unless `force`."""
        parameters = {
            "fieldManager": manager,
            "fieldValidation": "Strict",
            "force": str(force).lower(),
            **_dry_run(dry_run),
        }
        return self._call("PATCH", self._path(obj), obj, parameters, _APPLY)

    def replace(self, obj: KubernetesObject, manager: str, *, dry_run: bool) -> KubernetesObject:
        """Replace an object whole; it must carry the live resourceVersion."""
        return self._call("PUT", self._path(obj), obj, {"fieldManager": manager, **_dry_run(dry_run)})

    def patch_json(self, obj: KubernetesObject, operations: list[dict[str, Any]]) -> KubernetesObject:
        """Change an object by JSON patch operations."""
        return self._call("PATCH", self._path(obj), operations, content_type=_JSON_PATCH)

    def delete(self, obj: KubernetesObject, propagation: str) -> None:
        """Ask for deletion with propagation `Foreground`, `Background` or `Orphan`."""
        self._call("DELETE", self._path(obj), {"propagationPolicy": propagation})

    def _path(self, obj: KubernetesObject, *, of_collection: bool = False) -> str:
        kind = kind_of_object(obj)
        served = self._serving(kind)
        parts = ["apis" if kind.group else "api", kind.api_version]
        if served.namespaced:
            parts += ["namespaces", obj["metadata"].get("namespace") or "default"]
        parts.append(served.plural)
        return "/" + "/".join(parts if of_collection else [*parts, obj["metadata"]["name"]])

    def _serving(self, kind: Kind) -> _Served:
        try:
            return self._discover(kind.api_version)[kind.kind]
        except KeyError:
            raise UnknownKindError(kind) from None
        except ApiError as error:
            if error.is_missing:
                raise UnknownKindError(kind) from None
            raise

    def _discover(self, api_version: str) -> dict[str, _Served]:
        with self._discovery_lock:
            if api_version not in self._served:
                root = "apis" if "/" in api_version else "api"
                answer = self._call("GET", f"/{root}/{api_version}")
                self._served[api_version] = {
                    entry["kind"]: _Served(entry["name"], entry["namespaced"])
                    for entry in answer["resources"]
                    if "/" not in entry["name"]
                }
            return self._served[api_version]

    def _call(
        self,
        method: str,
        path: str,
        body: object = None,
        parameters: Mapping[str, str] | None = None,
        content_type: str = "application/json",
    ) -> KubernetesObject:
        content = None if body is None else json.dumps(body).encode()
        try:
            response = self._http.request(
                method, path, content=content, params=parameters, headers={"content-type": content_type}
            )
        except httpx2.TransportError as error:
            raise UnreachableError(f"{self.server} does not answer: {error}") from error
        if response.is_success:
            answer: KubernetesObject = response.json()
            return answer
        raise _api_error(response)


def _dry_run(dry_run: bool) -> dict[str, str]:
    return {"dryRun": "All"} if dry_run else {}


def _api_error(response: httpx2.Response) -> ApiError:
    try:
        status = response.json()
        return ApiError(response.status_code, status.get("reason", ""), status.get("message", response.text))
    except (ValueError, AttributeError):
        return ApiError(response.status_code, "", f"HTTP {response.status_code}: {response.text}")
