"""The plugin's gRPC service: answers the engine's calls about resources of package `kubernetes`."""

import hashlib
import threading
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import NoReturn

import grpc
from google.protobuf import any_pb2, empty_pb2
from google.protobuf.struct_pb2 import Struct
from lightkube.core.exceptions import ConfigError
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc, status_pb2

from dev.engine.kubernetes_plugin import object_changes
from dev.engine.kubernetes_plugin.api_client import ApiClient, ApiError, UnknownKindError, UnreachableError
from dev.engine.kubernetes_plugin.cluster import Cluster, ProviderOptions
from dev.engine.kubernetes_plugin.differences import Difference, differences
from dev.engine.kubernetes_plugin.engine_log import EngineLog
from dev.engine.kubernetes_plugin.kubeconfig import select_cluster
from dev.engine.kubernetes_plugin.live_state import (
    encode_string_data,
    inputs_of_unmanaged,
    prune,
    response_properties,
)
from dev.engine.kubernetes_plugin.object_changes import Change
from dev.engine.kubernetes_plugin.object_identity import (
    AUTONAMED,
    UnsupportedResourceError,
    annotation,
    complete_name,
    kind_of_object,
    kind_of_token,
    object_id,
    split_id,
)
from dev.engine.kubernetes_plugin.property_paths import format_path, is_within, parse_path
from dev.engine.kubernetes_plugin.property_values import (
    KubernetesObject,
    contains_unknown,
    mark_secrets,
    set_value,
    to_python,
    to_struct,
)
from dev.engine.kubernetes_plugin.readiness import NotReadyError, job_is_complete
from dev.engine.kubernetes_plugin.replacement import immutable_fields, touches

# Methods are named by the protocol.
# ruff: noqa: N802

# Keys that the official plugin keeps in the state beside the object.
_INPUTS_KEY = "__inputs"
_API_VERSION_KEY = "__initialApiVersion"
_MANAGER_KEY = "__fieldManager"
_WAIT_FOR = "pulumi.com/waitFor"

_HTTP_FORBIDDEN = 403
_HTTP_CONFLICT = 409

_ChangeKind = provider_pb2.PropertyDiff.Kind
_KINDS: dict[tuple[str, bool], "_ChangeKind.ValueType"] = {
    ("add", False): _ChangeKind.ADD,
    ("add", True): _ChangeKind.ADD_REPLACE,
    ("delete", False): _ChangeKind.DELETE,
    ("delete", True): _ChangeKind.DELETE_REPLACE,
    ("update", False): _ChangeKind.UPDATE,
    ("update", True): _ChangeKind.UPDATE_REPLACE,
}
_REPLACING = {kind for (_, replaces), kind in _KINDS.items() if replaces}


def plugin_version() -> str:
    """Return the version of the installed SDK, whose plugin this one stands in for."""
    try:
        return version("pulumi-kubernetes")
    except PackageNotFoundError:
        return "4.0.0"


class KubernetesProvider(provider_pb2_grpc.ResourceProviderServicer):
    """Serves one configured provider of the engine."""

    def __init__(self, engine_address: str) -> None:
        self._log = EngineLog(engine_address)
        self._cluster = Cluster(ProviderOptions())
        self._cancelled = threading.Event()
        self._warned_unreachable = threading.Lock()

    def Handshake(
        self, request: provider_pb2.ProviderHandshakeRequest, context: grpc.ServicerContext
    ) -> provider_pb2.ProviderHandshakeResponse:
        """Tell the engine what this plugin understands."""
        return provider_pb2.ProviderHandshakeResponse(accept_secrets=True, supports_autonaming_configuration=True)

    def GetPluginInfo(self, request: empty_pb2.Empty, context: grpc.ServicerContext) -> plugin_pb2.PluginInfo:
        """Report the version."""
        return plugin_pb2.PluginInfo(version=plugin_version())

    def CheckConfig(
        self, request: provider_pb2.CheckRequest, context: grpc.ServicerContext
    ) -> provider_pb2.CheckResponse:
        """Accept the provider's options, except writing YAML instead of objects."""
        if "renderYamlToDirectory" in request.news.fields:
            failure = provider_pb2.CheckFailure(
                property="renderYamlToDirectory", reason="the development plugin does not write YAML"
            )
            return provider_pb2.CheckResponse(inputs=request.news, failures=[failure])
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: provider_pb2.DiffRequest, context: grpc.ServicerContext) -> provider_pb2.DiffResponse:
        """Replace the provider, and so all its objects, when its options lead to another API server."""
        old, new = to_python(request.olds), to_python(request.news)
        keys = sorted({str(difference.path[0]) for difference in differences(old, new)})
        if not keys:
            return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE)
        moved = contains_unknown(request.news) or _leads_elsewhere(old, new)
        return provider_pb2.DiffResponse(
            changes=provider_pb2.DiffResponse.DIFF_SOME,
            diffs=keys,
            replaces=[key for key in keys if moved and key in ("kubeconfig", "context", "cluster")],
        )

    def Configure(
        self, request: provider_pb2.ConfigureRequest, context: grpc.ServicerContext
    ) -> provider_pb2.ConfigureResponse:
        """Take the options; the cluster is not contacted."""
        self._cluster = Cluster(ProviderOptions.from_variables(request.variables))
        return provider_pb2.ConfigureResponse(
            acceptSecrets=True, supportsPreview=True, supports_autonaming_configuration=True
        )

    def Check(self, request: provider_pb2.CheckRequest, context: grpc.ServicerContext) -> provider_pb2.CheckResponse:
        """Complete inputs: name, namespace, encoded Secret data; secrets stay marked."""
        response = provider_pb2.CheckResponse(inputs=request.news)
        inputs = response.inputs
        try:
            kind = kind_of_token(request.type or request.urn.split("::")[2].rpartition("$")[2])
            complete_name(inputs, request)
        except (UnsupportedResourceError, ValueError) as error:
            response.failures.add(reason=str(error))
            return response
        if self._cluster.is_namespaced(kind):
            _complete_namespace(inputs, self._cluster.default_namespace)
        if kind.kind == "Secret" and not kind.group:
            _complete_secret(inputs)
        if _has_annotation(inputs, _WAIT_FOR):
            response.failures.add(
                property="metadata", reason=f"the development plugin does not support annotation {_WAIT_FOR}"
            )
        return response

    def Diff(self, request: provider_pb2.DiffRequest, context: grpc.ServicerContext) -> provider_pb2.DiffResponse:
        """Compare inputs property by property and tell which changes need a new object."""
        retry_job = self._is_unready_job(request.news)
        if request.old_inputs == request.news and not retry_job:
            return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE, hasDetailedDiff=True)
        old, new = to_python(request.old_inputs), to_python(request.news)
        ignored = [parse_path(path) for path in request.ignoreChanges]
        changed = [
            difference
            for difference in differences(old, new)
            if not any(is_within(difference.path, path) for path in ignored)
        ]
        details = self._describe(changed, old, new)
        replaces = sorted(path for path, detail in details.items() if detail.kind in _REPLACING)
        if retry_job:
            replaces.append('metadata.annotations["pulumi.com/replaceUnready"]')
        some = bool(details or replaces)
        return provider_pb2.DiffResponse(
            changes=provider_pb2.DiffResponse.DIFF_SOME if some else provider_pb2.DiffResponse.DIFF_NONE,
            replaces=replaces,
            deleteBeforeReplace=bool(replaces) and _keeps_fixed_name(old, new),
            detailedDiff=details,
            hasDetailedDiff=True,
        )

    def _describe(
        self, changed: list[Difference], old: KubernetesObject, new: KubernetesObject
    ) -> dict[str, provider_pb2.PropertyDiff]:
        fields = immutable_fields(kind_of_object(new), new, self._cluster.options.mutability)
        group_changed = kind_of_object(old).group != kind_of_object(new).group
        details = {}
        for difference in changed:
            replaces = touches(difference.path, (difference.old, difference.new), fields) or (
                group_changed and difference.path == ("apiVersion",)
            )
            details[format_path(difference.path)] = provider_pb2.PropertyDiff(
                kind=_KINDS[difference.kind, replaces], inputDiff=True
            )
        return details

    def _is_unready_job(self, inputs: Struct) -> bool:
        """Tell whether a Job asks to be replaced because it has not succeeded."""
        if inputs.fields["kind"].string_value != "Job":
            return False
        job = to_python(inputs)
        if annotation(job, "pulumi.com/replaceUnready") != "true":
            return False
        try:
            return not job_is_complete(self._cluster.connect().get(job))
        except (UnreachableError, ApiError):
            return False

    def Create(self, request: provider_pb2.CreateRequest, context: grpc.ServicerContext) -> provider_pb2.CreateResponse:
        """Create the object and wait until it is ready; in a preview ask the API server for a dry run."""
        api = self._api(context, request.urn, preview=request.preview)
        if api is None or (request.preview and contains_unknown(request.properties)):
            return provider_pb2.CreateResponse(properties=request.properties)
        inputs = to_python(request.properties)
        manager = _manager(request.urn, inputs, None)
        change = self._change(api, manager, request.urn, request.timeout)
        try:
            live = object_changes.create(change, inputs, upsert=self._cluster.options.upsert, dry_run=request.preview)
            if not request.preview:
                live = change.wait_until_ready(live, inputs)
        except NotReadyError as error:
            self._fail_partially(context, error, _state(request.properties, inputs, error.live, manager))
        except (ApiError, UnreachableError) as error:
            if request.preview and _is_normal_in_preview(error):
                return provider_pb2.CreateResponse(properties=request.properties)
            context.abort(grpc.StatusCode.UNKNOWN, _creation_fault(inputs, error))
        if inputs["kind"] == "CustomResourceDefinition":
            api.forget_kinds()
        if request.preview:
            live.pop("status", None)
            return provider_pb2.CreateResponse(properties=_state(request.properties, inputs, live, manager))
        return provider_pb2.CreateResponse(
            id=object_id(live), properties=_state(request.properties, inputs, live, manager)
        )

    def Update(self, request: provider_pb2.UpdateRequest, context: grpc.ServicerContext) -> provider_pb2.UpdateResponse:
        """Apply the new inputs and wait until the object is ready; in a preview ask for a dry run."""
        api = self._api(context, request.urn, preview=request.preview)
        if api is None or (request.preview and contains_unknown(request.news)):
            return provider_pb2.UpdateResponse(properties=request.news)
        inputs = to_python(request.news)
        manager = _manager(request.urn, inputs, request.olds)
        change = self._change(api, manager, request.urn, request.timeout)
        try:
            live = api.get(inputs)
            live = object_changes.update(change, inputs, live, list(request.ignoreChanges), dry_run=request.preview)
            if not request.preview:
                live = change.wait_until_ready(live, inputs)
        except NotReadyError as error:
            self._fail_partially(context, error, _state(request.news, inputs, error.live, manager))
        except (ApiError, UnreachableError) as error:
            normal = isinstance(error, UnknownKindError) or _is_forbidden(error)
            if request.preview and normal:
                return provider_pb2.UpdateResponse(properties=request.news)
            context.abort(grpc.StatusCode.UNKNOWN, _update_fault(inputs, error))
        return provider_pb2.UpdateResponse(properties=_state(request.news, inputs, live, manager))

    def Read(self, request: provider_pb2.ReadRequest, context: grpc.ServicerContext) -> provider_pb2.ReadResponse:
        """Read the object as it is, for a refresh or an import; an empty answer says that it is gone."""
        kind = kind_of_token(request.type or request.urn.split("::")[2].rpartition("$")[2])
        namespace, name = split_id(request.id)
        wanted: KubernetesObject = {
            "apiVersion": kind.api_version,
            "kind": kind.kind,
            "metadata": {"name": name, "namespace": namespace},
        }
        declared = to_python(request.inputs)
        try:
            live = self._cluster.connect().get(wanted)
        except ApiError as error:
            if error.is_missing:
                return provider_pb2.ReadResponse()
            context.abort(grpc.StatusCode.UNKNOWN, f"{request.id} cannot be read: {error}")
        except UnreachableError as error:
            if self._cluster.options.delete_unreachable:
                return provider_pb2.ReadResponse()
            context.abort(grpc.StatusCode.UNAVAILABLE, f"{error}; {_WAY_OUT_UNREACHABLE}")
        live = response_properties(live)
        inputs = prune(live, declared) if declared else inputs_of_unmanaged(live)
        input_struct = to_struct(inputs)
        mark_secrets(input_struct, request.inputs)
        manager = _manager(request.urn, inputs, request.properties)
        return provider_pb2.ReadResponse(
            id=request.id, properties=_state(request.inputs, inputs, live, manager), inputs=input_struct
        )

    def Delete(self, request: provider_pb2.DeleteRequest, context: grpc.ServicerContext) -> empty_pb2.Empty:
        """Delete the object and wait until it is gone."""
        state = to_python(request.properties)
        try:
            api = self._cluster.connect()
        except UnreachableError as error:
            if self._cluster.options.delete_unreachable:
                return empty_pb2.Empty()
            context.abort(grpc.StatusCode.UNAVAILABLE, f"{error}; {_WAY_OUT_UNREACHABLE}")
        inputs = state.get(_INPUTS_KEY) or state
        change = self._change(api, str(state.get(_MANAGER_KEY, "")), request.urn, request.timeout)
        try:
            object_changes.delete(change, state, inputs)
        except NotReadyError as error:
            self._fail_partially(context, error, request.properties)
        except (ApiError, UnreachableError) as error:
            context.abort(grpc.StatusCode.UNKNOWN, f"{request.id} was not deleted: {error}")
        return empty_pb2.Empty()

    def Cancel(self, request: empty_pb2.Empty, context: grpc.ServicerContext) -> empty_pb2.Empty:
        """End all waiting."""
        self._cancelled.set()
        return empty_pb2.Empty()

    def Invoke(self, request: provider_pb2.InvokeRequest, context: grpc.ServicerContext) -> provider_pb2.InvokeResponse:
        """Refuse functions: they serve charts and YAML files."""
        self._refuse(context, request.tok)

    def Construct(
        self, request: provider_pb2.ConstructRequest, context: grpc.ServicerContext
    ) -> provider_pb2.ConstructResponse:
        """Refuse components: they are charts and YAML files."""
        self._refuse(context, request.type)

    def _refuse(self, context: grpc.ServicerContext, what: str) -> NoReturn:
        context.abort(
            grpc.StatusCode.UNIMPLEMENTED,
            f"{what} is not offered by this development plugin; install the official pulumi-resource-kubernetes",
        )

    def _api(self, context: grpc.ServicerContext, urn: str, *, preview: bool) -> ApiClient | None:
        """Return the client, or None for a preview without a reachable cluster."""
        if not preview:
            return self._connect(context)
        try:
            return self._cluster.connect()
        except UnreachableError as error:
            if self._warned_unreachable.acquire(blocking=False):
                self._log.warn(urn, f"{error}; previewing from the inputs alone")
            return None

    def _connect(self, context: grpc.ServicerContext) -> ApiClient:
        try:
            return self._cluster.connect()
        except UnreachableError as error:
            context.abort(grpc.StatusCode.UNAVAILABLE, str(error))

    def _change(self, api: ApiClient, manager: str, urn: str, timeout: float) -> Change:
        report: Callable[[str], None] = lambda message: self._log.status(urn, message)  # noqa: E731
        return Change(
            api=api,
            manager=manager,
            force_conflicts=self._cluster.options.force_conflicts,
            timeout=timeout,
            cancelled=self._cancelled,
            report=report,
        )

    def _fail_partially(self, context: grpc.ServicerContext, error: NotReadyError, state: Struct) -> NoReturn:
        """Fail, but have the engine record the object, which exists."""
        message = f"{object_id(error.live)} exists, but is not as wanted: {error}"
        failure = provider_pb2.ErrorResourceInitFailed(id=object_id(error.live), properties=state, reasons=[message])
        detail = any_pb2.Any()
        detail.Pack(failure)
        code = grpc.StatusCode.UNKNOWN
        status = status_pb2.Status(code=code.value[0], message=message, details=[detail])
        context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
        context.abort(code, message)


_WAY_OUT_UNREACHABLE = (
    "if the cluster itself is gone, set PULUMI_K8S_DELETE_UNREACHABLE=true to remove the resource from the state"
)


def _leads_elsewhere(old: KubernetesObject, new: KubernetesObject) -> bool:
    try:
        servers = [
            select_cluster(
                str(options.get("kubeconfig") or ""), options.get("context"), options.get("cluster")
            ).cluster.server
            for options in (old, new)
        ]
    except ConfigError:
        return False
    return servers[0] != servers[1]


def _complete_namespace(inputs: Struct, namespace: str) -> None:
    metadata = inputs.fields["metadata"]
    if metadata.WhichOneof("kind") == "struct_value" and "namespace" not in metadata.struct_value.fields:
        metadata.struct_value.fields["namespace"].string_value = namespace


def _has_annotation(inputs: Struct, name: str) -> bool:
    metadata = inputs.fields["metadata"].struct_value.fields
    return "annotations" in metadata and name in metadata["annotations"].struct_value.fields


def _complete_secret(inputs: Struct) -> None:
    encoded = encode_string_data(to_python(inputs))
    for key in ("data", "stringData"):
        inputs.fields.pop(key, None)
        if key in encoded:
            set_value(inputs.fields[key], encoded[key])
    mark_secrets(inputs, Struct())


def _keeps_fixed_name(old: KubernetesObject, new: KubernetesObject) -> bool:
    ours, theirs = new.get("metadata", {}), old.get("metadata", {})
    return (
        annotation(new, AUTONAMED) != "true"
        and ours.get("name") == theirs.get("name")
        and ours.get("namespace") == theirs.get("namespace")
    )


def _manager(urn: str, inputs: KubernetesObject, state: Struct | None) -> str:
    """Return the field manager: the one an annotation names, else the one of the state, else one of the resource."""
    named = annotation(inputs, "pulumi.com/patchFieldManager")
    if named:
        return named
    if state is not None and _MANAGER_KEY in state.fields:
        return state.fields[_MANAGER_KEY].string_value
    return f"pulumi-kubernetes-{hashlib.sha256(urn.encode()).hexdigest()[:8]}"


def _state(declared: Struct, inputs: KubernetesObject, live: KubernetesObject, manager: str) -> Struct:
    """Return what the engine records: the live object, and beside it inputs, API version and field manager."""
    state = to_struct(response_properties(live))
    mark_secrets(state, declared)
    recorded = to_struct(inputs)
    mark_secrets(recorded, declared)
    state.fields[_INPUTS_KEY].struct_value.CopyFrom(recorded)
    state.fields[_API_VERSION_KEY].string_value = inputs["apiVersion"]
    state.fields[_MANAGER_KEY].string_value = manager
    return state


def _is_forbidden(error: Exception) -> bool:
    return isinstance(error, ApiError) and error.status_code == _HTTP_FORBIDDEN


def _is_normal_in_preview(error: Exception) -> bool:
    """Tell whether creation may still succeed: a namespace or kind may come first, a replaced object go first."""
    return isinstance(error, ApiError) and (error.is_missing or error.status_code in (_HTTP_FORBIDDEN, _HTTP_CONFLICT))


def _creation_fault(inputs: KubernetesObject, error: Exception) -> str:
    text = f"{inputs['kind']} {object_id(inputs)} was not created: {error}"
    if isinstance(error, ApiError) and error.reason == "AlreadyExists":
        return (
            f"{text}. Import it (resource option import_), rename the resource with an alias, "
            "or set kubernetes:upsertExistingObjects to take it over"
        )
    return text


def _update_fault(inputs: KubernetesObject, error: Exception) -> str:
    text = f"{inputs['kind']} {object_id(inputs)} was not updated: {error}"
    if isinstance(error, ApiError) and error.status_code == _HTTP_CONFLICT:
        return (
            f"{text}. Another field manager owns these fields: leave them to it (ignore_changes), "
            'or overwrite them with annotation pulumi.com/patchForce: "true"'
        )
    return text
