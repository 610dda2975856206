"""The validator app as a process: it listens at once, starts up in the background, and leaves when that fails."""

import logging
import os
import sys
import threading
from collections.abc import Mapping

import httpx2
import tenacity

from dev.validator.app_api import AppApi, OpenApp, make_app
from dev.validator.app_settings import AppSettings, SettingsError, read_settings
from dev.validator.app_store import AppStore
from dev.validator.ingestion import Ingestion
from dev.validator.instance_lock import LockedError, take_lock, watch_lock
from dev.validator.internal_client import CallRefusedError
from dev.validator.onboarding import OnboardingError, onboard
from dev.validator.participant_client import ParticipantClient
from dev.validator.postgres import Connection, connect_when_there, create_tables, open_pool
from dev.validator.scan_client import ScanClient
from dev.validator.serving import make_server, serve
from dev.validator.tokens import TokenVerifier

LOG = logging.getLogger(__name__)

WAIT_FOR_LOCK_SECONDS = 20
WAIT_FOR_NEIGHBOURS_SECONDS = 600


def _is_passing(error: BaseException) -> bool:
    """Whether a neighbour is merely not there yet."""
    return isinstance(error, httpx2.HTTPError) or (isinstance(error, CallRefusedError) and error.status == 503)


class AppProcess:
    """One run of the app; `failed` says whether it has to end with an error."""

    def __init__(self, settings: AppSettings) -> None:
        self._settings = settings
        self._stopped = threading.Event()
        self.failed = False
        self.api = AppApi(TokenVerifier(settings.well_known_url, settings.audience))
        self.server = make_server(make_app(self.api))

    def start(self) -> None:
        """Begin the start in the background."""
        threading.Thread(target=self._run, name="start", daemon=True).start()

    def stop(self) -> None:
        """Tell the background threads to end."""
        self._stopped.set()

    def _fail(self) -> None:
        if not self._stopped.is_set():
            self.failed = True
            self.server.should_exit = True

    def _run(self) -> None:
        try:
            lock_connection = self._open()
        except (OnboardingError, LockedError, CallRefusedError) as error:
            LOG.error("the start failed: %s", error)
            self._fail()
        except Exception:
            LOG.exception("the start failed")
            self._fail()
        else:
            watch_lock(lock_connection, self._fail, self._stopped)

    def _open(self) -> Connection:
        settings = self._settings
        lock_connection = connect_when_there(settings.storage)
        take_lock(lock_connection, WAIT_FOR_LOCK_SECONDS)
        create_tables(lock_connection, settings.storage, "validator.sql")
        lock_connection.commit()
        participant = ParticipantClient(settings.participant_admin_url)
        party, participant_id = tenacity.Retrying(
            retry=tenacity.retry_if_exception(_is_passing),
            stop=tenacity.stop_after_delay(WAIT_FOR_NEIGHBOURS_SECONDS),
            wait=tenacity.wait_fixed(0.5),
            reraise=True,
        )(onboard, settings, participant)
        store = AppStore(open_pool(settings.storage))
        store.register(party, participant_id)
        ingestion = Ingestion(participant, store)
        ingestion.catch_up()
        threading.Thread(target=ingestion.run, args=[self._stopped], name="ingestion", daemon=True).start()
        self.api.opened = OpenApp(
            party, settings.ledger_api_user, participant, ScanClient(settings.scan_url), store, ingestion
        )
        LOG.info("ready as %s on %s", party, participant_id)
        return lock_connection


def run(environment: Mapping[str, str], host: str, port: int) -> None:
    """Serve until SIGTERM; leaves with code 1 when the settings are wrong, the start fails or the lock is lost."""
    try:
        settings = read_settings(environment)
    except SettingsError as error:
        LOG.error("wrong settings: %s", error)
        sys.exit(1)
    process = AppProcess(settings)
    process.start()
    serve(process.server, host, [port])
    process.stop()
    if process.failed:
        logging.shutdown()
        # Threads of the connection pool must not hold a failed process.
        os._exit(1)
