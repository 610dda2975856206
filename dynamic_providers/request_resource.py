"""What the resources of requests share: outputs that their Job fills, and where their progress appears."""

from collections.abc import Awaitable
from typing import cast

import pulumi
from pulumi.dynamic import Resource

_FILLED_BY_THE_JOB = ("status", "started", "finished", "bytes", "message", "details")
_UNINTERESTING = ("validatorJob", "progressUrn")


def outputs() -> dict[str, None]:
    """Outputs that are known once the Job has ended; the SDK wants them named."""
    return dict.fromkeys(_FILLED_BY_THE_JOB)


def progress_urn(resource: Resource, name: str, opts: pulumi.ResourceOptions) -> pulumi.Input[str]:
    """URN that `resource` will have, by which its provider reports; a provider is never told it."""
    kind = f"pulumi-python:{resource._resource_type_name}"
    if opts.parent is None:
        return f"urn:pulumi:{pulumi.get_stack()}::{pulumi.get_project()}::{kind}::{name}"
    child = opts.parent.urn.apply(lambda parent: _child_urn(parent, kind, name))
    # Without its resources: as an input it would make the child wait for its own parent.
    return pulumi.Output(set(), cast("Awaitable[str]", child.future()), child.is_known())


def _child_urn(parent: str, kind: str, name: str) -> str:
    head, _, _ = parent.rpartition("::")
    prefix, _, parent_kind = head.rpartition("::")
    kinds = kind if parent_kind == "pulumi:pulumi:Stack" else f"{parent_kind}${kind}"
    return f"{prefix}::{kinds}::{name}"


def quiet(opts: pulumi.ResourceOptions) -> pulumi.ResourceOptions:
    """Leave out of a preview's details what tells a reviewer nothing."""
    return pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(hide_diffs=list(_UNINTERESTING)))
