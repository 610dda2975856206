"""Costs of the Pulumi SDK that grow with the number of resources, and that a program need not bear."""

import asyncio
import os
from typing import Any

import pulumi
from google.protobuf.struct_pb2 import Struct
from pulumi.runtime import resource, rpc, stack
from pulumi.runtime.proto.source_pb2 import StackTrace

KEEP_DEBUG = "CATALYX_DR_SDK_DEBUG"
_resolve_outputs = rpc.resolve_outputs


def spare_costs() -> None:
    """Make a large program about twice as fast; CATALYX_DR_SDK_DEBUG=true keeps the SDK's messages for `--debug`."""
    # Five debug messages a resource, each a call that the whole program waits for, and the engine drops them.
    if not os.environ.get(KEEP_DEBUG):
        pulumi.log.debug = _drop
    # Where in the program a resource was made: a walk up the whole stack for each, and all are made in the same places.
    vars(resource)["_get_stack_trace"] = StackTrace
    # What a Kubernetes object came out as, property by property: the program reads nothing but URNs.
    vars(rpc)["resolve_outputs"] = _resolve_what_is_read
    # Whenever one output is known, the SDK begins anew to wait for all the others: the square of their number.
    vars(stack)["asyncio"] = _WaitsForAll()


class _WaitsForAll:
    """`asyncio` for the SDK's loop over outputs: it wakes when all are known, or one has failed."""

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio, name)

    async def wait(self, outputs: list[asyncio.Task[Any]], **_: object) -> tuple[set[asyncio.Task[Any]], ...]:
        return await asyncio.wait(outputs, return_when=asyncio.FIRST_EXCEPTION)


def _resolve_what_is_read(res: pulumi.Resource, given: Struct, answered: Struct, *rest: Any, **named: Any) -> None:
    """Resolve a Kubernetes object's properties to None: a declaration that read one would show null in the goldens."""
    if type(res).__module__.startswith("pulumi_kubernetes."):
        given = answered = Struct()
    _resolve_outputs(res, given, answered, *rest, **named)


def _drop(*_arguments: object, **_named: object) -> None:
    """Stand in for `pulumi.log.debug`."""
