"""A new age identity: for its owner alone, never in place of another."""

from pathlib import Path

import pyrage
import pytest

from catalyx_dr.adapters.encryption import AgeIdentities
from catalyx_dr.cli.keygen import keygen
from catalyx_dr.model.errors import RefusedError


def test_recipient_is_told_and_identity_is_kept_to_its_owner(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "identity.txt"
    keygen(file)

    recipient = capsys.readouterr().out.strip()
    assert file.stat().st_mode & 0o777 == 0o600
    assert AgeIdentities.read(file).recipients == (recipient,)
    assert pyrage.x25519.Recipient.from_str(recipient)


def test_identity_that_is_there_stays(tmp_path: Path) -> None:
    file = tmp_path / "identity.txt"
    file.write_text("kept")
    with pytest.raises(RefusedError, match="name a file that does not exist yet"):
        keygen(file)
    assert file.read_text() == "kept"
