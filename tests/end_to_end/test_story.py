"""The whole story in the local cluster: protect, back up, lose, restore, lose again, import the identity."""

import pytest

from dev import demo


@pytest.mark.cluster
def test_a_validator_is_protected_damaged_and_recovered(capsys: pytest.CaptureFixture[str]) -> None:
    assert demo.main() == 0
    told = capsys.readouterr().out
    assert "balance of the set: 1" in told
    assert "balance that the network knows: 1" in told
