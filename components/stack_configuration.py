"""The stack file as the program reads it: every key of the project, so that a misspelt one is refused, not ignored."""

import json
from typing import Any

import pulumi
from pulumi.runtime.config import CONFIG

from catalyx_dr.model.environment_spec import EnvironmentSpec
from catalyx_dr.rules.environments import load_environment
from dynamic_providers.cluster_access import ClusterAccess


def environment_of_stack() -> EnvironmentSpec:
    """Read and validate the stack file; raises SpecError with one line a fault."""
    prefix = f"{pulumi.get_project()}:"
    found = CONFIG.get()
    return load_environment({key.removeprefix(prefix): _value(found[key]) for key in found if key.startswith(prefix)})


def cluster_of_stack() -> ClusterAccess:
    """The cluster that the stack's Kubernetes provider uses."""
    return ClusterAccess.configured(lambda key: CONFIG.get().get(key))


def _value(text: Any) -> Any:
    """Objects and arrays arrive as JSON; everything else is as the file has it."""
    if isinstance(text, str) and text[:1] in ("[", "{"):
        return json.loads(text)
    return text
