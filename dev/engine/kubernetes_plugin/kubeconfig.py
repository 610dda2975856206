"""Finds the cluster as client libraries of Kubernetes do: given kubeconfig, KUBECONFIG, home folder, in-cluster."""

import os
from pathlib import Path
from typing import Any

import yaml
from lightkube.config.kubeconfig import DEFAULT_KUBECONFIG, KubeConfig, SingleConfig
from lightkube.config.models import User
from lightkube.core.exceptions import ConfigError


def select_cluster(kubeconfig: str, context: str | None, cluster: str | None) -> SingleConfig:
    """Return server and credentials.

    `kubeconfig` is YAML or JSON content, a path, or empty for what the environment offers; `context` and `cluster`
    override what it names. Raises ConfigError when there is none, or it is wrong.
    """
    try:
        configuration = _load(kubeconfig)
        selected = configuration.get(context or None)
    except (yaml.YAMLError, KeyError, TypeError, OSError) as error:
        # The content may hold credentials, so only the kind of the fault is told.
        raise ConfigError(f"the kubeconfig cannot be read ({type(error).__name__})") from None
    if selected is None:
        raise ConfigError("the kubeconfig has no current context; set kubernetes:context")
    if cluster and cluster not in configuration.clusters:
        raise ConfigError(f"the kubeconfig has no cluster {cluster!r}: {', '.join(configuration.clusters)}")
    return selected._replace(
        user=selected.user or User(),
        cluster=configuration.clusters[cluster] if cluster else selected.cluster,
    )


def _load(kubeconfig: str) -> KubeConfig:
    if kubeconfig:
        path = Path(kubeconfig).expanduser()
        if len(kubeconfig) < os.pathconf("/", "PC_PATH_MAX") and path.is_file():
            return _parse(path.read_text(), path)
        return _parse(kubeconfig, None)
    named = [Path(entry) for entry in os.environ.get("KUBECONFIG", "").split(os.pathsep) if entry]
    files = [path for path in named or [Path(DEFAULT_KUBECONFIG).expanduser()] if path.is_file()]
    if files:
        return _merge([_parse(path.read_text(), path) for path in files])
    if "KUBERNETES_SERVICE_HOST" in os.environ:
        return KubeConfig.from_service_account()
    looked_at = ", ".join(str(path) for path in named) or DEFAULT_KUBECONFIG
    raise ConfigError(f"no kubeconfig is set and there is none at {looked_at}")


def _parse(content: str, path: Path | None) -> KubeConfig:
    document = yaml.safe_load(content)
    if not isinstance(document, dict):
        raise ConfigError("the kubeconfig is neither a document with clusters nor the path of a file")
    for entry in document.get("users") or []:
        _accept_current_exec_version(entry.get("user") or {})
    return KubeConfig.from_dict(document, fname=path)


def _accept_current_exec_version(user: dict[str, Any]) -> None:
    """Rename version v1 of the credential plugin protocol, which the library does not know, to the equal v1beta1."""
    plugin = user.get("exec")
    if plugin and plugin.get("apiVersion") == "client.authentication.k8s.io/v1":
        plugin["apiVersion"] = "client.authentication.k8s.io/v1beta1"


def _merge(files: list[KubeConfig]) -> KubeConfig:
    """Merge as kubectl does: the first file that names something wins."""
    merged = files[0]
    for later in files[1:]:
        merged.clusters = {**later.clusters, **merged.clusters}
        merged.contexts = {**later.contexts, **merged.contexts}
        merged.users = {**later.users, **merged.users}
        merged.current_context = merged.current_context or later.current_context
    return merged
