"""Serves one plugin to the engine that started it, for as long as that engine runs."""

import signal
import threading

import grpc

from dev.engine.parent_process import call_when_parent_ends

MAX_MESSAGE_BYTES = 400 * 1024 * 1024


def serve_until_ended(server: grpc.Server) -> None:
    """Start `server`, print its port as the first line, and return when the engine ends or interrupts this process."""
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    stop = threading.Event()
    call_when_parent_ends(stop.set)
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: stop.set())
    print(port, flush=True)
    stop.wait()
