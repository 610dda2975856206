"""Asks the API server whether it would take an object: quota, limits and admission answer, and nothing is made."""

from typing import Any

from lightkube.core.exceptions import ApiError

from catalyx_dr.adapters.cluster import Cluster, explained

# What is forbidden by a quota, a limit or an admission rule has the same code as what this identity may not do.
_NO_RIGHT = "cannot create resource"


def refusal(cluster: Cluster, wanted: Any) -> str:
    """Why the object would be refused, in the server's words; nothing when it would be taken, or is there already.

    Raises RefusedError when this identity may not create such objects at all.
    """
    kind, name = type(wanted).__name__, wanted.metadata.name
    with explained(f"ask whether {kind} {cluster.namespace}/{name} may be created"):
        try:
            cluster.client.create(wanted, namespace=cluster.namespace, dry_run=True)
        except ApiError as error:
            message = error.status.message or "no reason is told"
            if error.status.code == 409:
                return ""
            if error.status.code not in (400, 403, 422) or _NO_RIGHT in message:
                raise
            return message
    return ""
