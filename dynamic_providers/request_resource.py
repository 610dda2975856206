"""What the resources of requests share: outputs that their Job fills, and where their progress appears."""

import re

import pulumi
from pulumi.dynamic import Resource

_FILLED_BY_THE_JOB = ("status", "started", "finished", "bytes", "message", "details")


def outputs() -> dict[str, None]:
    """Outputs that are known once the Job has ended; the SDK wants them named."""
    return dict.fromkeys(_FILLED_BY_THE_JOB)


def progress_urn(resource: Resource, name: str, opts: pulumi.ResourceOptions) -> pulumi.Output[str]:
    """URN that `resource` will have, by which its provider reports; a provider is never told it.

    `opts.parent` is the component that the resource belongs to.
    """
    if opts.parent is None:
        raise ValueError(f"{name} needs a parent")
    kind = f"pulumi-python:{resource._resource_type_name}"
    return opts.parent.urn.apply(lambda parent: _child_urn(parent, kind, name))


def _child_urn(parent: str, kind: str, name: str) -> str:
    head, _, _ = parent.rpartition("::")
    prefix, _, parent_kind = head.rpartition("::")
    kinds = kind if parent_kind == "pulumi:pulumi:Stack" else f"{parent_kind}${kind}"
    return f"{prefix}::{kinds}::{name}"


def snake_case(name: str) -> str:
    """`setId` -> `set_id`; names with underscores in front stay."""
    return re.sub(r"(?<=[a-z0-9])([A-Z])", lambda match: f"_{match.group(1).lower()}", name)
