"""Runs a policy pack behind a proxy, because the pack reads the stack's configuration when it starts.

The engine tells the configuration only by the call ConfigureStack. The proxy therefore answers the handshake
itself, starts the pack at the first other call with the configuration in its environment, and forwards every
call from then on.
"""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent import futures
from pathlib import Path

import grpc
from pulumi.runtime.proto import analyzer_pb2
from pulumi.runtime.proto.language_pb2 import RunPluginResponse

from dev.engine.child_processes import ChildProcesses
from dev.engine.plugin_runner import OutputQueue, pump_output

_Environment = Mapping[str, str]


def stack_environment(stack: analyzer_pb2.AnalyzerStackConfigureRequest) -> dict[str, str]:
    """Return the variables by which the policy SDK learns about the stack."""
    return {
        "PULUMI_ORGANIZATION": stack.organization,
        "PULUMI_PROJECT": stack.project,
        "PULUMI_STACK": stack.stack,
        "PULUMI_DRY_RUN": str(stack.dry_run).lower(),
        "PULUMI_CONFIG": json.dumps(dict(stack.config)),
    }


class _PackProxy(grpc.GenericRpcHandler):
    def __init__(self, start_pack: Callable[[_Environment], str]) -> None:
        self._start_pack = start_pack
        self._channel: grpc.Channel | None = None
        self._lock = threading.Lock()

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[bytes, bytes]":
        method = handler_call_details.method

        def forward(body: bytes, context: grpc.ServicerContext) -> bytes:
            if method.endswith("/Handshake"):
                return b""
            try:
                call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = self._pack(method, body).unary_unary(method)
                return call(body)
            except grpc.RpcError as error:
                context.abort(error.code(), error.details() or "")
            except OSError as error:
                context.abort(grpc.StatusCode.UNAVAILABLE, str(error))

        return grpc.unary_unary_rpc_method_handler(forward)

    def _pack(self, method: str, body: bytes) -> grpc.Channel:
        with self._lock:
            if self._channel is None:
                extra: dict[str, str] = {}
                if method.endswith("/ConfigureStack"):
                    extra = stack_environment(analyzer_pb2.AnalyzerStackConfigureRequest.FromString(body))
                self._channel = grpc.insecure_channel(f"127.0.0.1:{self._start_pack(extra)}")
            return self._channel


def run_policy_pack(
    command: list[str],
    environment: _Environment,
    folder: Path,
    children: ChildProcesses,
    context: grpc.ServicerContext,
) -> Iterator[RunPluginResponse]:
    """Serve the pack in `folder` until the engine ends the call; yields the proxy's port, then the output."""
    output = OutputQueue()
    over = threading.Event()

    def start_pack(extra: _Environment) -> str:
        child = children.start(command, env={**environment, **extra}, cwd=folder, pipe_output=True)
        context.add_callback(lambda: children.end(child))
        port = child.stdout.readline().strip().decode() if child.stdout else ""
        pump_output(child, output)
        if not port:
            raise OSError(f"the policy pack ended with code {child.wait()} before it named its port")
        return port

    def end() -> None:
        over.set()
        output.put(None)

    proxy = _PackProxy(start_pack)
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=8))
    server.add_generic_rpc_handlers((proxy,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    context.add_callback(end)
    yield RunPluginResponse(stdout=f"{port}\n".encode())
    while not over.is_set():
        chunk = output.get()
        if chunk is not None:
            yield chunk
    server.stop(None)
