"""Limits of bytes a second: of a stream, and of a connection to a server by way of a port of this machine."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Lock, Thread

_BLOCK_BYTES = 64 * 1024
_CONNECT_SECONDS = 15


class Pace:
    """Keeps the average below `bytes_per_second` by waiting, for all who spend; None is no limit."""

    def __init__(
        self,
        bytes_per_second: int | None,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._seconds_a_byte = 1 / max(bytes_per_second, 1) if bytes_per_second is not None else 0.0
        self._clock, self._wait = clock, wait
        self._free_at = clock()
        self._lock = Lock()
        self.bytes = 0

    def spend(self, count: int) -> None:
        """Account for `count` bytes, and wait until the next may be."""
        with self._lock:
            self.bytes += count
            now = self._clock()
            self._free_at = max(self._free_at, now) + count * self._seconds_a_byte
            wait = self._free_at - now
        if wait > 0:
            self._wait(wait)


@contextmanager
def limited_way(host: str, port: int, bytes_per_second: int) -> Iterator[int]:
    """Port of this machine that leads to `host:port` while the block runs, with a limit from there to here."""
    pace = Pace(bytes_per_second)

    class Connection(BaseRequestHandler):
        def handle(self) -> None:
            with suppress(OSError), socket.create_connection((host, port), _CONNECT_SECONDS) as there:
                there.settimeout(None)
                forth = Thread(target=_copy, args=(self.request, there, Pace(None)), daemon=True)
                forth.start()
                _copy(there, self.request, pace)
                forth.join()

    with _Server(("127.0.0.1", 0), Connection) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield int(server.server_address[1])
        finally:
            server.shutdown()
            thread.join()


class _Server(ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False


def _copy(source: socket.socket, target: socket.socket, pace: Pace) -> None:
    with suppress(OSError):
        while block := source.recv(_BLOCK_BYTES):
            pace.spend(len(block))
            target.sendall(block)
    for end in (source, target):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
