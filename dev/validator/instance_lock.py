"""The lock that keeps two validator apps from running on one database."""

import logging
import threading
from collections.abc import Callable

import psycopg
import tenacity

from dev.validator.postgres import Connection

LOG = logging.getLogger(__name__)

# Any number that nobody else uses in this database.
LOCK_KEY = 5003
CHECK_EVERY_SECONDS = 1.0


class LockedError(Exception):
    """Another app holds the lock."""


def take_lock(connection: Connection, wait_seconds: float) -> None:
    """Take the lock for as long as the connection lives.

    Raises LockedError when another app still holds it after `wait_seconds`.
    """

    def attempt() -> None:
        row = connection.execute("select pg_try_advisory_lock(%s) as taken", [LOCK_KEY]).fetchone()
        connection.commit()
        if row is None or not row["taken"]:
            raise LockedError("another validator app runs on this database")

    tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(LockedError),
        stop=tenacity.stop_after_delay(wait_seconds),
        wait=tenacity.wait_fixed(0.5),
        reraise=True,
    )(attempt)


def watch_lock(connection: Connection, on_loss: Callable[[], None], stopped: threading.Event) -> None:
    """Call `on_loss` once when the connection that holds the lock breaks; returns then, or when stopped."""
    while not stopped.wait(CHECK_EVERY_SECONDS):
        try:
            connection.execute("select 1")
            connection.commit()
        except psycopg.Error as error:
            LOG.error("the connection that holds the instance lock is lost: %s", error)
            on_loss()
            return
