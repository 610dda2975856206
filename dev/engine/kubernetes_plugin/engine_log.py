"""Messages to the Pulumi engine, shown on the line of a resource."""

import contextlib

import grpc
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc


class EngineLog:
    """Sends messages to the engine at an address; silent when there is none."""

    def __init__(self, address: str) -> None:
        self._engine = engine_pb2_grpc.EngineStub(grpc.insecure_channel(address)) if address else None

    def status(self, urn: str, message: str) -> None:
        """Show what is waited for, until the next status; an empty message clears it."""
        self._send(engine_pb2.LogRequest(severity=engine_pb2.INFO, urn=urn, message=message, ephemeral=True))

    def warn(self, urn: str, message: str) -> None:
        """Warn; the message is also listed at the end."""
        self._send(engine_pb2.LogRequest(severity=engine_pb2.WARNING, urn=urn, message=message))

    def _send(self, request: engine_pb2.LogRequest) -> None:
        if self._engine is not None:
            # An engine that is ending hears nothing more, which is no fault of the resource.
            with contextlib.suppress(grpc.RpcError):
                self._engine.Log(request)
