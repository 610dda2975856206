"""Lines that appear on the resource's own row of `pulumi up` while its Job runs."""

import re
import sys
from collections.abc import Callable

import grpc
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc

_ADDRESS = re.compile(r"^[\w.\[\]:]+:[0-9]+$")


def progress_lines(urn: str | None) -> Callable[[str], None]:
    """Return what shows a line at resource `urn`, or on the stack's row when it is not known.

    The engine gives its address to every plugin as the first argument; without it the line goes to standard output.
    """
    address = sys.argv[1] if len(sys.argv) > 1 else ""
    if not _ADDRESS.fullmatch(address):
        return _print
    engine = engine_pb2_grpc.EngineStub(grpc.insecure_channel(address))

    def say(line: str) -> None:
        try:
            engine.Log(engine_pb2.LogRequest(severity=engine_pb2.INFO, message=line, urn=urn or ""))
        except grpc.RpcError:
            # The engine is going down; what the Job does is in its record.
            _print(line)

    return say


def _print(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - the engine shows a plugin's output
