"""`python -m dev.cluster up|down|status`."""

import argparse
import sys

from dev.cluster import down, is_up, status, up
from dev.cluster.lifecycle import external_kubeconfig
from dev.steps import StepError


def main() -> int:
    """Run one command; 0 when it did what it says, 1 otherwise."""
    parser = argparse.ArgumentParser(prog="python -m dev.cluster", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="build what is not built, start what does not run, load the images")
    ending = commands.add_parser("down", help="end the cluster and keep its state")
    ending.add_argument("--forget", action="store_true", help="remove its objects, volumes and keys too")
    commands.add_parser("status", help="tell what runs")
    arguments = parser.parse_args()
    try:
        return _run(arguments)
    except StepError as failed:
        print(f"{failed}", file=sys.stderr)
        return 1


def _run(arguments: argparse.Namespace) -> int:
    if arguments.command == "up":
        up()
    elif arguments.command == "down":
        down(forget=arguments.forget)
    else:
        for name, found in status().items():
            print(f"{name:25} {found}")
        return 0 if external_kubeconfig() or is_up() else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
