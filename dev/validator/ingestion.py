"""Following the participant's ledger: the app's offset comes after the participant's, never before."""

import logging
import threading

import httpx2
import psycopg
from psycopg_pool import PoolTimeout

from dev.validator.app_store import AppStore
from dev.validator.internal_client import CallRefusedError
from dev.validator.participant_client import ParticipantClient

LOG = logging.getLogger(__name__)

POLL_SECONDS = 1.0


class Ingestion:
    """A loop that takes up new updates, woken by whoever submitted one."""

    def __init__(self, participant: ParticipantClient, store: AppStore) -> None:
        self._participant = participant
        self._store = store
        self._wake = threading.Event()
        self._progress = threading.Condition()

    def catch_up(self) -> None:
        """Take up everything that the ledger has now."""
        while updates := self._participant.updates(self._store.last_offset()):
            self._store.ingest(updates)
            with self._progress:
                self._progress.notify_all()

    def run(self, stopped: threading.Event) -> None:
        """Follow until stopped; trouble with a neighbour is logged and tried again."""
        while not stopped.is_set():
            self._wake.clear()
            try:
                self.catch_up()
            except (psycopg.Error, PoolTimeout, httpx2.HTTPError, CallRefusedError) as error:
                LOG.warning("ingestion paused: %s", error)
            self._wake.wait(POLL_SECONDS)

    def wait_for(self, offset: int, seconds: float) -> bool:
        """Wake the loop and wait until it has taken up the offset; False when the time ran out first."""
        self._wake.set()
        with self._progress:
            return self._progress.wait_for(lambda: self._store.last_offset() >= offset, seconds)
