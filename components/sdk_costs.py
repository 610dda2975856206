"""Costs of the Pulumi SDK that grow with the number of resources, and that a program need not bear."""

import gc
import os

import pulumi

KEEP_DEBUG = "CATALYX_DR_SDK_DEBUG"


def spare_costs() -> None:
    """Make a large program about twice as fast; CATALYX_DR_SDK_DEBUG=true keeps the SDK's messages for `--debug`."""
    # All that is declared is kept to the end, so that collections find nothing to free.
    gc.disable()
    # Five debug messages a resource, each a call that the whole program waits for, and the engine drops them.
    if not os.environ.get(KEEP_DEBUG):
        pulumi.log.debug = _drop


def _drop(*_arguments: object, **_named: object) -> None:
    """Stand in for `pulumi.log.debug`."""
