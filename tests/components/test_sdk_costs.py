import gc
from collections.abc import Iterator

import pulumi
import pytest

from components.sdk_costs import KEEP_DEBUG, spare_costs


@pytest.fixture(autouse=True)
def undone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(pulumi.log, "debug", pulumi.log.debug)
    monkeypatch.delenv(KEEP_DEBUG, raising=False)
    yield
    gc.enable()


def test_debug_messages_reach_no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[object] = []
    monkeypatch.setattr(pulumi.log, "_log", lambda *message: sent.append(message))
    spare_costs()
    pulumi.log.debug("a resource was serialised")
    assert sent == []
    assert not gc.isenabled()


def test_debug_messages_can_be_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEEP_DEBUG, "true")
    before = pulumi.log.debug
    spare_costs()
    assert pulumi.log.debug is before
