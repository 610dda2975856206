import asyncio
import inspect

import pulumi
import pytest
from google.protobuf.struct_pb2 import Struct
from pulumi.runtime import resource, rpc, stack
from pulumi_kubernetes.core.v1 import ConfigMap

from components import sdk_costs
from components.sdk_costs import KEEP_DEBUG, spare_costs


@pytest.fixture(autouse=True)
def undone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulumi.log, "debug", pulumi.log.debug)
    monkeypatch.setitem(vars(stack), "asyncio", asyncio)
    monkeypatch.setattr(rpc, "resolve_outputs", rpc.resolve_outputs)
    monkeypatch.setattr(resource, "_get_stack_trace", resource._get_stack_trace)
    monkeypatch.delenv(KEEP_DEBUG, raising=False)


def test_debug_messages_reach_no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[object] = []
    monkeypatch.setattr(pulumi.log, "_log", lambda *message: sent.append(message))
    spare_costs()
    pulumi.log.debug("a resource was serialised")
    assert sent == []


def test_places_in_the_program_are_not_looked_for() -> None:
    spare_costs()
    assert not resource._get_stack_trace().frames
    assert "stack_trace = _get_stack_trace()" in inspect.getsource(resource.register_resource)


@pytest.mark.parametrize(("kind", "read"), [(ConfigMap, []), (pulumi.CustomResource, [("data", {"key": "value"})])])
def test_what_kubernetes_objects_came_out_as_is_not_read(
    kind: type[pulumi.Resource], read: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    resolved: list[object] = []
    answered = Struct()
    answered["data"] = {"key": "value"}
    monkeypatch.setattr(sdk_costs, "_resolve_outputs", lambda _res, _given, found, **_: resolved.extend(found.items()))
    spare_costs()
    rpc.resolve_outputs(object.__new__(kind), answered, answered, deps={}, resolvers={}, custom=True)
    assert resolved == read
    assert "rpc.resolve_outputs(" in inspect.getsource(resource.register_resource)


def test_debug_messages_can_be_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEEP_DEBUG, "true")
    before = pulumi.log.debug
    spare_costs()
    assert pulumi.log.debug is before


def test_outputs_are_waited_for_once() -> None:
    spare_costs()

    async def known_in_turn() -> int:
        turns = [asyncio.create_task(asyncio.sleep(0)) for _ in range(3)]
        turns.append(asyncio.create_task(asyncio.sleep(0.01)))
        known, unknown = await vars(stack)["asyncio"].wait(turns, return_when=asyncio.FIRST_COMPLETED)
        assert not unknown
        return len(known)

    assert asyncio.run(known_in_turn()) == 4
    assert "await asyncio.wait(" in inspect.getsource(stack.wait_for_rpcs)


def test_failed_output_is_told_at_once() -> None:
    spare_costs()

    async def fails() -> None:
        raise RuntimeError

    async def one_fails() -> int:
        never = asyncio.create_task(asyncio.Event().wait())
        known, _ = await vars(stack)["asyncio"].wait([never, asyncio.create_task(fails())])
        never.cancel()
        return len([one for one in known if one.exception()])

    assert asyncio.run(one_fails()) == 1
