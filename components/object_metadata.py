"""Metadata of everything that is declared for one validator."""

from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

from catalyx_dr.adapters.cluster import labels
from catalyx_dr.model.object_names import ObjectNames

# The stack file is the truth. Without it the plugin refuses an update over what a hand has changed, or what a stack
# declared whose state is lost.
STACK_FILE_WINS = {"pulumi.com/patchForce": "true"}


def metadata_of(names: ObjectNames, name: str, annotations: dict[str, str] | None = None) -> ObjectMetaArgs:
    """Metadata of an object of this validator."""
    return ObjectMetaArgs(
        name=name,
        namespace=names.namespace,
        labels=labels(names.validator),
        annotations=STACK_FILE_WINS | (annotations or {}),
    )
