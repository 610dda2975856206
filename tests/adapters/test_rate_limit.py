"""Limits of bytes a second, by a clock that only waiting moves, and the way to a server that is slowed down."""

import socket
import threading

from hypothesis import given
from hypothesis import strategies as st

from catalyx_dr.adapters.rate_limit import Pace, limited_way


class _Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += seconds


@given(rate=st.integers(1, 10**9), blocks=st.lists(st.integers(0, 10**7), max_size=50))
def test_average_stays_below_the_limit(rate: int, blocks: list[int]) -> None:
    clock = _Clock()
    pace = Pace(rate, clock, clock.wait)

    for block in blocks:
        pace.spend(block)

    assert pace.bytes == sum(blocks)
    assert clock.now * rate >= sum(blocks) * (1 - 1e-6)
    assert clock.now * rate <= sum(blocks) * (1 + 1e-6) + 1e-3


def test_no_limit_never_waits() -> None:
    clock = _Clock()
    pace = Pace(None, clock, clock.wait)

    pace.spend(10**12)

    assert clock.now == 0


def test_limited_way_carries_both_directions_to_their_end() -> None:
    sent, answer = b"question" * 1000, b"answer" * 100_000
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                received = b""
                while len(received) < len(sent):
                    received += connection.recv(65536)
                assert received == sent
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        with (
            limited_way("127.0.0.1", server.getsockname()[1], 100_000_000) as port,
            socket.create_connection(("127.0.0.1", port)) as client,
        ):
            client.sendall(sent)
            got = b""
            while block := client.recv(65536):
                got += block
        thread.join()
    assert got == answer
