"""`python -m dev.platform up|down`: a validator of the local cluster and its surroundings."""

import argparse
import sys

from dev import platform
from dev.steps import StepError


def main() -> int:
    """Bring the platform up, or remove it."""
    parser = argparse.ArgumentParser(prog="python -m dev.platform", description=__doc__)
    parser.add_argument("verb", choices=["up", "down"])
    parser.add_argument("--validator", default=platform.NAMESPACE, metavar="validator-N", help="its namespace")
    arguments = parser.parse_args()
    try:
        if arguments.verb == "up":
            platform.up(arguments.validator, party_hint=f"acme-{arguments.validator}")
        else:
            platform.down(arguments.validator)
    except StepError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


sys.exit(main())
