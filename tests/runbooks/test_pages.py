"""Every runbook, followed to the letter on the local platform after the disaster that it is for."""

import pytest

from dev import platform
from tests.runbooks.conftest import NAMESPACE, Rescue
from tests.runbooks.page import FOLDER, Page

on_the_platform = pytest.mark.cluster


@on_the_platform
def test_database_lost(rescue: Rescue) -> None:
    before = rescue.capture()
    rescue.wallet.tap("25.0")
    platform.wreck(rescue.api, NAMESPACE)

    told = rescue.follow("database-lost")

    assert rescue.wallet.balance() == before
    assert "nothing wrong found" in told


_PAGES = sorted(path.stem for path in FOLDER.glob("*.md"))


@pytest.mark.parametrize("name", _PAGES)
def test_page_has_the_parts_that_people_look_for(name: str) -> None:
    text = (FOLDER / f"{name}.md").read_text()
    headings = [line.removeprefix("## ") for line in text.splitlines() if line.startswith("## ")]
    assert headings[:4] == ["Symptom", "What you need", "Steps", "How you know that it worked"]
    assert Page.read(name).commands
    assert "NAMESPACE" in Page.read(name).filled_in


def test_every_page_is_followed_by_a_test() -> None:
    followed = {name.removeprefix("test_").replace("_", "-") for name in globals() if name.startswith("test_")}
    assert set(_PAGES) <= followed
