"""A step that fails names its log, shows its end, and says what to do."""

from pathlib import Path

import pytest

from dev.steps import StepError, step


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CATALYX_DR_CACHE", str(tmp_path))


def test_failure_tells_all(tmp_path: Path) -> None:
    with pytest.raises(StepError) as failed, step("make it", "making", "Buy flour.") as making:
        making.run(["sh", "-c", "echo no flour; exit 3"])
    message = str(failed.value)
    assert message.startswith("make it: sh ended with code 3.")
    assert "  | no flour\n" in message
    assert str(tmp_path / "logs" / "making.log") in message
    assert message.endswith("Buy flour.")


def test_missing_program_is_named() -> None:
    with (
        pytest.raises(StepError, match=r"program no-such-program is missing\. Install it\."),
        step("make it", "making", "Install it.") as making,
    ):
        making.run(["no-such-program"])
