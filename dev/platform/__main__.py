"""`python -m dev.platform up`: the validator of the local cluster and its surroundings."""

import sys

from dev import platform
from dev.steps import StepError


def main() -> int:
    """Bring the platform up."""
    if sys.argv[1:] != ["up"]:
        print("usage: python -m dev.platform up", file=sys.stderr)
        return 2
    try:
        platform.up()
    except StepError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


sys.exit(main())
