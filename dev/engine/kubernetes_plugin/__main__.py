"""Serves the plugin until the engine ends; the port is the first line of the output."""

import os
import sys
from concurrent import futures

import grpc
from pulumi.runtime.proto import provider_pb2_grpc

from dev.engine.kubernetes_plugin.provider import KubernetesProvider
from dev.engine.plugin_server import MAX_MESSAGE_BYTES, serve_until_ended

# The engine works on many resources at once, and one that is waited for occupies a thread.
THREADS = 128


def main() -> None:
    """Serve until the engine ends or interrupts this process."""
    engine_address = next((argument for argument in sys.argv[1:] if not argument.startswith("-")), "")
    options = [("grpc.max_receive_message_length", MAX_MESSAGE_BYTES), ("grpc.max_send_message_length", -1)]
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=THREADS), options=options)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(KubernetesProvider(engine_address), server)
    serve_until_ended(server)
    os._exit(0)


if __name__ == "__main__":
    main()
