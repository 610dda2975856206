"""What this identity may do in the cluster, asked of the API server itself."""

from collections.abc import Iterable, Iterator

from lightkube.models.authorization_v1 import ResourceAttributes, SelfSubjectAccessReviewSpec
from lightkube.resources.authorization_v1 import SelfSubjectAccessReview

from catalyx_dr.adapters.cluster import Cluster, explained
from catalyx_dr.rules.recovery_rights import Right


def denied(cluster: Cluster, rights: Iterable[Right]) -> tuple[str, ...]:
    """Verb, resource and object of every right that is missing in the cluster's namespace; changes nothing."""
    return tuple(
        f"{one.verb} {one.resource}{f' {one.name}' if one.name else ''}"
        for right in rights
        for one in _attributes(cluster.namespace, right)
        if not _allowed(cluster, one)
    )


def _attributes(namespace: str, right: Right) -> Iterator[ResourceAttributes]:
    for verb in right.verbs:
        for name in right.names or (None,):
            yield ResourceAttributes(
                namespace=namespace, group=right.group, resource=right.resource, verb=verb, name=name
            )


def _allowed(cluster: Cluster, attributes: ResourceAttributes) -> bool:
    review = SelfSubjectAccessReview(spec=SelfSubjectAccessReviewSpec(resourceAttributes=attributes))
    with explained(f"ask for the right to {attributes.verb} {attributes.resource}"):
        answered = cluster.client.create(review)
    return bool(answered.status and answered.status.allowed)
