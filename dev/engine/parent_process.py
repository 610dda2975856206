"""Ends a plugin together with the engine that started it, so that no process and no stack lock is left."""

import os
import select
import threading
from collections.abc import Callable


def call_when_parent_ends(action: Callable[[], object]) -> None:
    """Run `action` in a background thread once the process that started this one has ended (Linux only)."""
    parent = os.getppid()
    try:
        descriptor = os.pidfd_open(parent)
    except ProcessLookupError:
        action()
        return

    def wait() -> None:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        poll.poll()
        action()

    threading.Thread(target=wait, name="parent-watch", daemon=True).start()
