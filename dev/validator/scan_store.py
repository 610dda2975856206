"""What the network knows, in one SQLite file: participants, who hosts a party, contracts, used onboarding secrets."""

import hashlib
import json
import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path

from dev.validator.keys import KeyPair
from dev.validator.ledger import Contract
from dev.validator.topology import SignedTransaction

_TABLES = """
create table if not exists settings (name text primary key, value text not null);
create table if not exists participants (participant_id text primary key, instance text not null);
create table if not exists hostings (party text primary key, participant_id text not null, serial integer not null);
create table if not exists contracts (
    contract_id text primary key, owner text not null, content text not null
);
create index if not exists contracts_of_owner on contracts (owner);
create table if not exists used_secrets (
    secret_hash text primary key, party text not null, participant_id text not null
);
"""


class RefusedError(Exception):
    """The network does not accept a request; `status` is the HTTP status to answer with."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class ScanStore:
    """Queries and changes of the network's state, one at a time."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._database = sqlite3.connect(path, check_same_thread=False)
        self._database.execute("pragma journal_mode = wal")
        self._database.executescript(_TABLES)
        with self._lock, self._database:
            dso_party = f"DSO::{KeyPair.generate('namespace').fingerprint}"
            self._database.execute("insert or ignore into settings values ('dso_party', ?)", [dso_party])
            self._database.execute("insert or ignore into settings values ('synchronizer_serial', '0')")

    def dso_party(self) -> str:
        """Party of the network's operators; made once."""
        return self._setting("dso_party")

    def synchronizer_id(self) -> str:
        """Id of the network's synchronizer, in the namespace of its operators; no upgrade changes it."""
        return f"global-domain::{self.dso_party().split('::')[1]}"

    def synchronizer_serial(self) -> int:
        """Serial of the active physical synchronizer: how often it was upgraded."""
        return int(self._setting("synchronizer_serial"))

    def upgrade_synchronizer(self) -> None:
        """Go over to the next physical synchronizer."""
        with self._lock, self._database:
            self._database.execute(
                "update settings set value = cast(value as integer) + 1 where name = 'synchronizer_serial'"
            )

    def _setting(self, name: str) -> str:
        with self._lock:
            row = self._database.execute("select value from settings where name = ?", [name]).fetchone()
        return str(row[0])

    def register_participant(
        self, participant_id: str, instance: str, transactions: Sequence[SignedTransaction]
    ) -> None:
        """Admit a node, or admit again the same installation of it.

        Raises RefusedError 409 when another installation used the identifier, 400 without a valid signature.
        """
        if not any(t.subject == participant_id and t.is_valid() for t in transactions):
            raise RefusedError(400, f"{participant_id}: no validly signed OwnerToKeyMapping was given")
        with self._lock, self._database:
            self._database.execute("insert or ignore into participants values (?, ?)", [participant_id, instance])
            row = self._database.execute(
                "select instance from participants where participant_id = ?", [participant_id]
            ).fetchone()
        if row[0] != instance:
            raise RefusedError(
                409,
                f"{participant_id} is registered by another installation: choose an identifier never used before",
            )

    def parties_of(self, participant_id: str) -> list[str]:
        """Parties hosted on a participant."""
        with self._lock:
            rows = self._database.execute(
                "select party from hostings where participant_id = ? order by party", [participant_id]
            ).fetchall()
        return [row[0] for row in rows]

    def hosting(self, party: str) -> tuple[str, int] | None:
        """Participant that hosts a party and the mapping's serial, or None."""
        with self._lock:
            row = self._database.execute(
                "select participant_id, serial from hostings where party = ?", [party]
            ).fetchone()
        return (row[0], row[1]) if row else None

    def host_party(self, transaction: SignedTransaction) -> None:
        """Accept a signed hosting. Raises RefusedError for a bad signature, participant or serial."""
        if not transaction.is_valid():
            raise RefusedError(400, f"{transaction.subject}: not signed by the key of its namespace")
        hosting = self.hosting(transaction.subject)
        expected = hosting[1] + 1 if hosting else 1
        if transaction.serial != expected:
            raise RefusedError(409, f"{transaction.subject}: serial {transaction.serial}, expected {expected}")
        with self._lock, self._database:
            known = self._database.execute(
                "select 1 from participants where participant_id = ?", [transaction.value]
            ).fetchone()
            if known is None:
                raise RefusedError(400, f"{transaction.value} is not registered")
            self._database.execute(
                "insert or replace into hostings values (?, ?, ?)",
                [transaction.subject, transaction.value, transaction.serial],
            )

    def add_contracts(self, participant_id: str, owner: str, contracts: Sequence[Contract]) -> None:
        """Record contracts. Raises RefusedError 403 when the participant does not host the owner."""
        hosting = self.hosting(owner)
        if hosting is None or hosting[0] != participant_id:
            raise RefusedError(403, f"{owner} is not hosted on {participant_id}")
        with self._lock, self._database:
            self._database.executemany(
                "insert or ignore into contracts (contract_id, owner, content) values (?, ?, ?)",
                [(c.contract_id, owner, json.dumps(c.to_json())) for c in contracts],
            )

    def contracts_of(self, owner: str) -> list[Contract]:
        """Active contracts of a party."""
        with self._lock:
            rows = self._database.execute(
                "select content from contracts where owner = ? order by rowid", [owner]
            ).fetchall()
        return [Contract.from_json(json.loads(row[0])) for row in rows]

    def use_secret(self, secret: str, party: str, participant_id: str) -> bool:
        """Use up an onboarding secret; False when the same validator repeats its own request.

        Raises RefusedError 401 when another party or participant used it: it is unknown from then on, as with
        the real network (domain 4).
        """
        secret_hash = hashlib.sha256(secret.encode()).hexdigest()
        with self._lock, self._database:
            added = self._database.execute(
                "insert or ignore into used_secrets values (?, ?, ?)", [secret_hash, party, participant_id]
            ).rowcount
            used_by = self._database.execute(
                "select party, participant_id from used_secrets where secret_hash = ?", [secret_hash]
            ).fetchone()
        if used_by != (party, participant_id):
            raise RefusedError(401, "Unknown secret")
        return added == 1
