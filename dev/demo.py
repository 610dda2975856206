"""`make demo`: a validator is protected, damaged and recovered, by nothing but reviewed changes and `pulumi up`."""

import subprocess
import sys
import time
from decimal import Decimal

from lightkube import Client

from dev import cluster, platform
from dev.cache_folder import cache_folder
from dev.local_stack import VALIDATOR, LocalStack
from dev.platform import NAMESPACE
from dev.steps import StepError


def say(text: str) -> None:
    """Print a heading."""
    print(f"\n=== {text}", flush=True)


def main() -> int:
    """Run the whole story once; each run uses request ids and a participant identifier of its own."""
    begun = time.monotonic()
    run = time.strftime("%Y%m%d%H%M%S", time.gmtime())
    try:
        say("Set up: Kubernetes, PostgreSQL, Keycloak, S3-compatible store, validator")
        cluster.up()
        platform.up()
        with platform.client() as api:
            _story(LocalStack(cache_folder("demo")), api, run)
    except (StepError, AssertionError, subprocess.CalledProcessError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"\nThe demo is complete in {time.monotonic() - begun:.0f} s. `make down` ends everything.")
    return 0


def _story(stack: LocalStack, api: Client, run: str) -> None:
    wallet = platform.Wallet(api, NAMESPACE)
    say("1. Declare the protection: bucket, volume, schedules")
    stack.create()
    stack.show("pulumi", "up", "--yes", "--skip-preview")

    say("2. Run both schedules now instead of waiting for the clock")
    before = wallet.balance()
    stack.show("catalyx-dr", "run", "backup", "--namespace", NAMESPACE)
    stack.show("catalyx-dr", "run", "identity-dump", "--namespace", NAMESPACE)
    stack.show("catalyx-dr", "history", "--namespace", NAMESPACE)

    say(f"3. The balance is {before}; 100 more arrive after the backup, then both databases are lost")
    wallet.tap("100.0")
    print(f"balance: {wallet.balance()}")
    platform.wreck(api, NAMESPACE)

    say("4. Recover by a change of the stack file: restore")
    request = {"validator": VALIDATOR, "set": "latest", "requestId": f"restore-{run}"}
    stack.declare(restore=request)
    print(f"restore: {request}")
    stack.show("pulumi", "preview")
    stack.show("pulumi", "up", "--yes", "--skip-preview")
    _expect("balance of the set", wallet.balance(), before)
    stack.show("pulumi", "up", "--yes", "--skip-preview", "--expect-no-changes")

    say("5. Lose the databases again, and this time recover the identity: identityImport")
    platform.wreck(api, NAMESPACE)
    known_to_network = before + 100
    request = {
        "validator": VALIDATOR,
        "dump": "latest",
        "newParticipantIdentifier": f"acme-validator-1-{run}",
        "requestId": f"import-{run}",
    }
    stack.declare(restore=None, identityImport=request)
    print(f"identityImport: {request}")
    stack.show("pulumi", "preview")
    stack.show("pulumi", "up", "--yes", "--skip-preview")
    _expect("balance that the network knows", wallet.balance(), known_to_network)
    stack.show("pulumi", "stack", "output")
    stack.show("catalyx-dr", "history", "--namespace", NAMESPACE)


def _expect(what: str, found: Decimal, wanted: Decimal) -> None:
    print(f"{what}: {found}")
    if found != wanted:
        raise AssertionError(f"{what} is {found}, expected {wanted}; look at the Jobs' logs in {NAMESPACE}")


if __name__ == "__main__":
    sys.exit(main())
