"""`python -m dev.validator validator-app|participant|scan`: one role of the stand-in in this process."""

import argparse
import logging
import os

from dev.validator import app_role, participant_role, scan_role


def main() -> None:
    """Run one role until SIGTERM; a role whose start fails leaves with code 1."""
    parser = argparse.ArgumentParser(prog="python -m dev.validator", description=__doc__)
    parser.add_argument("--host", default="0.0.0.0", help="address to listen on")
    roles = parser.add_subparsers(dest="role", required=True)

    app = roles.add_parser("validator-app", help="the validator app")
    app.add_argument("--port", type=int, default=5003)

    participant = roles.add_parser("participant", help="the participant")
    participant.add_argument("--ledger-port", type=int, default=5001)
    participant.add_argument("--admin-port", type=int, default=5002)
    participant.add_argument("--health-port", type=int, default=5061)

    scan = roles.add_parser("scan", help="the network's Scan")
    scan.add_argument("--port", type=int, default=5012)
    scan.add_argument("--file", default="/var/lib/scan/scan.sqlite", help="SQLite file of the network's state")

    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    if arguments.role == "validator-app":
        app_role.run(os.environ, arguments.host, arguments.port)
    elif arguments.role == "participant":
        ports = (arguments.ledger_port, arguments.admin_port, arguments.health_port)
        participant_role.run(os.environ, arguments.host, ports)
    else:
        scan_role.run(arguments.host, arguments.port, arguments.file)


main()
