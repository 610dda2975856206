"""A transport that bears silence: what is sent again, what is not, and when it gives up."""

from collections.abc import Callable
from datetime import timedelta

import httpx2
import pytest

from catalyx_dr.adapters import api_silence
from catalyx_dr.adapters.api_silence import PatientTransport

_URL = "https://cluster.example/api/v1/namespaces/canton/configmaps"
_DOWN = httpx2.ConnectError("refused")
_CUT = httpx2.ReadError("cut off")
Outcome = httpx2.TransportError | int


class Way(httpx2.BaseTransport):
    """Gives these outcomes one after the other, the last one for good."""

    def __init__(self, outcomes: tuple[Outcome, ...]) -> None:
        self._outcomes = list(outcomes)
        self.asked = 0

    def handle_request(self, _request: httpx2.Request) -> httpx2.Response:
        self.asked += 1
        outcome = self._outcomes.pop(0) if len(self._outcomes) > 1 else self._outcomes[0]
        if isinstance(outcome, int):
            return httpx2.Response(outcome, json={"code": outcome})
        raise outcome


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_silence, "_POLL_SECONDS", 0.001)


def send(
    way: Way, method: str = "GET", kind: str = "application/json", say: Callable[[str], None] = lambda _: None
) -> int:
    with httpx2.Client(transport=PatientTransport(way, timedelta(seconds=0.2), say)) as client:
        return client.request(method, _URL, headers={"Content-Type": kind}, content=b"{}").status_code


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "POST"])
@pytest.mark.parametrize("trouble", [_DOWN, httpx2.ConnectTimeout("slow"), 429, 503])
def test_what_was_not_taken_is_sent_again(method: str, trouble: Outcome) -> None:
    way = Way((trouble, trouble, 200))
    assert send(way, method) == 200
    assert way.asked == 3


@pytest.mark.parametrize("trouble", [_CUT, httpx2.RemoteProtocolError("no answer"), httpx2.ReadTimeout("slow")])
def test_what_may_be_done_already_is_sent_again_only_when_that_does_no_harm(trouble: httpx2.TransportError) -> None:
    for method, kind in (("GET", ""), ("DELETE", ""), ("PATCH", "application/apply-patch+yaml")):
        assert send(Way((trouble, 200)), method, kind) == 200
    for method, kind in (("POST", ""), ("PATCH", "application/json-patch+json")):
        way = Way((trouble, 200))
        with pytest.raises(type(trouble)):
            send(way, method, kind)
        assert way.asked == 1


@pytest.mark.parametrize("status", [500, 502, 504])
def test_server_in_trouble_is_asked_again_for_what_can_be_done_twice(status: int) -> None:
    assert send(Way((status, 200)), "PUT") == 200
    assert send(Way((status, 200)), "POST") == status


@pytest.mark.parametrize("status", [401, 403])
def test_refusal_counts_as_silence_only_of_a_server_that_has_just_come_back(status: int) -> None:
    assert send(Way((_DOWN, status, 200))) == 200
    way = Way((status, 200))
    assert send(way) == status
    assert way.asked == 1


@pytest.mark.parametrize("status", [404, 409, 422])
def test_answer_is_an_answer(status: int) -> None:
    way = Way((_DOWN, status, 200))
    assert send(way) == status
    assert way.asked == 2


def test_patience_ends_with_the_last_trouble() -> None:
    with pytest.raises(httpx2.ConnectError, match="refused"):
        send(Way((_DOWN,)))
    assert send(Way((503,))) == 503


def test_one_silence_is_told_once() -> None:
    told: list[str] = []
    way = Way((_DOWN, _DOWN, 200, _DOWN, 200))
    transport = PatientTransport(way, timedelta(seconds=1), told.append)
    with httpx2.Client(transport=transport) as client:
        for _ in range(2):
            assert client.get(_URL).json() == {"code": 200}
    assert len(told) == 2
