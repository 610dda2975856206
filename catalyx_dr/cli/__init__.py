"""`catalyx-dr`: what scheduled jobs run, and what people type."""

import os
import sys

import typer

from catalyx_dr.cli import (
    adopt,
    diagnose,
    history,
    in_cluster,
    keygen,
    preflight,
    review,
    rollback,
    run,
    status,
    switch_claims,
)
from catalyx_dr.model.errors import CatalyxDrError, EndedError, RefusedError, SpecError

app = typer.Typer(
    name="catalyx-dr",
    help="Backup and disaster recovery of Canton Network validators.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for module in (status, history, run, diagnose, preflight, rollback, adopt, review, keygen, switch_claims, in_cluster):
    module.register(app)


def main() -> None:
    """Run one command. Exit code 0: done; 1: failed; 2: refused before anything was touched, or wrong usage."""
    try:
        app()
    except (RefusedError, SpecError) as error:
        _end(error, 2)
    except (CatalyxDrError, EndedError) as error:
        _end(error, 1)


def _end(error: CatalyxDrError | EndedError, code: int) -> None:
    print(f"error: {error}", file=sys.stderr, flush=True)  # noqa: T201 - the command's voice
    if isinstance(error, EndedError):
        # At once: threads that wait for a store are not waited for.
        os._exit(code)
    sys.exit(code)
