"""`catalyx-dr keygen`: a new age identity in a file that only its owner reads."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import pyrage
import typer

from catalyx_dr.model.errors import RefusedError


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("keygen", rich_help_panel="For people")(keygen)


def keygen(file: Annotated[Path, typer.Argument(help="File for the private identity; it must not exist")]) -> None:
    """Make an age identity: the private part into FILE, the recipient for the stack file on the terminal."""
    identity = pyrage.x25519.Identity.generate()
    recipient = str(identity.to_public())
    created = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    try:
        with open(file, "x", opener=lambda name, flags: os.open(name, flags, 0o600)) as target:
            target.write(f"# created: {created}\n# public key: {recipient}\n{identity}\n")
    except OSError as error:
        raise RefusedError(f"{file} cannot be made: {error.strerror}; name a file that does not exist yet") from None
    print(recipient)  # noqa: T201
