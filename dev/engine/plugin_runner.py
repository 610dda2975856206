"""Runs a plugin's process for the language host and streams its output to the engine."""

import queue
import subprocess
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Literal

import grpc
from pulumi.runtime.proto.language_pb2 import RunPluginResponse

from dev.engine.child_processes import ChildProcesses

OutputQueue = queue.Queue[RunPluginResponse | None]
_CHUNK_BYTES = 65536


def run_plugin(
    command: list[str],
    environment: Mapping[str, str],
    folder: Path,
    children: ChildProcesses,
    context: grpc.ServicerContext,
) -> Iterator[RunPluginResponse]:
    """Run `command` in `folder` until it ends; yields its output as it comes, then its exit code."""
    child = children.start(command, env=environment, cwd=folder, pipe_output=True)
    context.add_callback(lambda: children.end(child))
    output = OutputQueue()
    readers = pump_output(child, output)
    while readers:
        chunk = output.get()
        if chunk is None:
            readers -= 1
        else:
            yield chunk
    exit_code = child.wait()
    children.forget(child)
    yield RunPluginResponse(exitcode=exit_code)


def pump_output(child: subprocess.Popen[bytes], output: OutputQueue) -> int:
    """Copy both streams of `child` to `output` in threads, each ended by None; returns their number."""
    streams: list[tuple[IO[bytes] | None, Literal["stdout", "stderr"]]] = [
        (child.stdout, "stdout"),
        (child.stderr, "stderr"),
    ]
    for stream, name in streams:
        threading.Thread(target=_pump, args=(stream, name, output), daemon=True).start()
    return len(streams)


def _pump(stream: IO[bytes], name: Literal["stdout", "stderr"], output: OutputQueue) -> None:
    while chunk := stream.read1(_CHUNK_BYTES):  # type: ignore[attr-defined]  # a buffered reader has it
        output.put(RunPluginResponse(stdout=chunk) if name == "stdout" else RunPluginResponse(stderr=chunk))
    output.put(None)
