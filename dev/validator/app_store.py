"""The validator app's own store: what it has ingested from the participant's ledger, and how far."""

import base64
import json
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from psycopg import sql

from dev.validator.ledger import AMULET, SYNCHRONIZER_ALIAS, VALIDATOR_LICENSE, Contract, decode_offset, encode_offset
from dev.validator.postgres import Connection, Pool

# The migration id is the same on every network since Splice 0.6.2 (domain 1.2).
MIGRATION_ID = 0
_STORES = {"DbValidatorStore": VALIDATOR_LICENSE, "DbUserWalletStore": AMULET}
_TABLES = {VALIDATOR_LICENSE: "validator_acs_store", AMULET: "user_wallet_acs_store"}


class AppStore:
    """Queries and changes; every method is one transaction."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def register(self, party: str, participant_id: str) -> None:
        """Make the store descriptors of a party, if they are missing."""
        with self._pool.connection() as connection:
            for name in _STORES:
                descriptor = {"version": 2, "name": name, "party": party, "participant": participant_id}
                row = connection.execute(
                    "insert into store_descriptors (descriptor) values (%s)"
                    " on conflict (descriptor) do update set descriptor = excluded.descriptor returning id",
                    [json.dumps(descriptor)],
                ).fetchone()
                assert row is not None
                connection.execute(
                    "insert into store_last_ingested_offsets (store_id, migration_id) values (%s, %s)"
                    " on conflict do nothing",
                    [row["id"], MIGRATION_ID],
                )
            connection.execute(
                "insert into update_history_descriptors (party, participant_id) values (%s, %s) on conflict do nothing",
                [party, participant_id],
            )
            connection.execute(
                "insert into update_history_last_ingested_offsets (history_id, migration_id)"
                " select id, %s from update_history_descriptors on conflict do nothing",
                [MIGRATION_ID],
            )

    def last_offset(self) -> int:
        """The last ingested offset, 0 before the first."""
        with self._pool.connection() as connection:
            row = connection.execute(
                "select max(last_ingested_offset) as last from store_last_ingested_offsets where migration_id = %s",
                [MIGRATION_ID],
            ).fetchone()
        return decode_offset(row["last"]) if row and row["last"] else 0

    def ingest(self, updates: Sequence[dict[str, Any]]) -> None:
        """Take up updates of the ledger and the last one's offset, all or nothing."""
        with self._pool.connection() as connection:
            stores = _store_ids(connection)
            for update in updates:
                _ingest_update(connection, stores, update)
            last = encode_offset(int(updates[-1]["offset"]))
            for table in ("store_last_ingested_offsets", "update_history_last_ingested_offsets"):
                connection.execute(
                    sql.SQL("update {} set last_ingested_offset = %s where migration_id = %s").format(
                        sql.Identifier(table)
                    ),
                    [last, MIGRATION_ID],
                )

    def amulets(self, party: str) -> list[Contract]:
        """Ingested coins of a party."""
        with self._pool.connection() as connection:
            rows = connection.execute(
                "select contract_id, created_event_blob, create_arguments, created_at from user_wallet_acs_store"
                " where create_arguments ->> 'owner' = %s order by event_number",
                [party],
            ).fetchall()
        return [
            Contract(
                AMULET,
                row["contract_id"],
                row["create_arguments"],
                base64.b64encode(bytes(row["created_event_blob"])).decode(),
                datetime.fromtimestamp(row["created_at"] / 1_000_000).astimezone().isoformat(),
            )
            for row in rows
        ]

    def balance(self, party: str) -> Decimal:
        """Sum of the party's ingested coins."""
        amounts = (contract.payload["amount"]["initialAmount"] for contract in self.amulets(party))
        return sum((Decimal(amount) for amount in amounts), Decimal(0))

    def check(self) -> None:
        """Raise psycopg.Error when the tables cannot be read."""
        with self._pool.connection() as connection:
            connection.execute("select 1 from store_descriptors")


def _store_ids(connection: Connection) -> dict[str, int]:
    """Store ids by the template that each one takes up; the newest descriptor of a name counts."""
    rows = connection.execute("select id, descriptor ->> 'name' as name from store_descriptors order by id").fetchall()
    return {_STORES[row["name"]]: row["id"] for row in rows}


def _ingest_update(connection: Connection, stores: dict[str, int], update: dict[str, Any]) -> None:
    history = connection.execute(
        "insert into update_history_transactions"
        " (history_id, update_id, record_time, participant_offset, domain_id, migration_id)"
        " select max(id), %s, %s, %s, %s, %s from update_history_descriptors returning row_id, history_id",
        [
            update["update_id"],
            update["record_time"],
            encode_offset(update["offset"]),
            SYNCHRONIZER_ALIAS,
            MIGRATION_ID,
        ],
    ).fetchone()
    assert history is not None
    for contract in map(Contract.from_json, update["contracts"]):
        connection.execute(
            "insert into update_history_creates (history_id, update_row_id, contract_id, package_name,"
            " template_id_package_id, template_id_qualified_name, create_arguments, record_time)"
            " values (%s, %s, %s, %s, %s, %s, %s, %s)",
            [
                history["history_id"],
                history["row_id"],
                contract.contract_id,
                contract.qualified_name.split(":")[0],
                contract.package_id,
                contract.qualified_name,
                json.dumps(contract.payload),
                update["record_time"],
            ],
        )
        if contract.template_id in stores:
            _insert_active_contract(connection, stores[contract.template_id], contract, update["record_time"])


def _insert_active_contract(connection: Connection, store_id: int, contract: Contract, record_time: int) -> None:
    connection.execute(
        sql.SQL(
            "insert into {} (store_id, migration_id, contract_id, template_id_package_id,"
            " template_id_qualified_name, create_arguments, created_event_blob, created_at, assigned_domain)"
            " values (%s, %s, %s, %s, %s, %s, %s, %s, %s) on conflict do nothing"
        ).format(sql.Identifier(_TABLES[contract.template_id])),
        [
            store_id,
            MIGRATION_ID,
            contract.contract_id,
            contract.package_id,
            contract.qualified_name,
            json.dumps(contract.payload),
            base64.b64decode(contract.created_event_blob),
            record_time,
            SYNCHRONIZER_ALIAS,
        ],
    )
