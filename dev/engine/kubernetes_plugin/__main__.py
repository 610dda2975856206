"""Serves the plugin until the engine ends; the port is the first line of the output."""

import os
import signal
import sys
import threading
from concurrent import futures

import grpc
from pulumi.runtime.proto import provider_pb2_grpc

from dev.engine.kubernetes_plugin.provider import KubernetesProvider
from dev.engine.parent_process import call_when_parent_ends

# The engine works on many resources at once, and one that is waited for occupies a thread.
THREADS = 128
MAX_MESSAGE_BYTES = 400 * 1024 * 1024


def main() -> None:
    """Serve until the engine ends or interrupts this process."""
    engine_address = next((argument for argument in sys.argv[1:] if not argument.startswith("-")), "")
    options = [("grpc.max_receive_message_length", MAX_MESSAGE_BYTES), ("grpc.max_send_message_length", -1)]
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=THREADS), options=options)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(KubernetesProvider(engine_address), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    stop = threading.Event()
    call_when_parent_ends(stop.set)
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: stop.set())
    print(port, flush=True)
    stop.wait()
    os._exit(0)


if __name__ == "__main__":
    main()
