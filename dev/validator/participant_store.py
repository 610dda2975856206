"""State of the stand-in participant: keys, topology, parties, users, contracts and offsets, in PostgreSQL."""

import json
import logging
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from dev.validator.keys import KEY_NAMES, KeyPair
from dev.validator.ledger import ACME_RECORD, SYNCHRONIZER_ALIAS, Contract
from dev.validator.ledger_users import PARTICIPANT_ADMIN, LedgerUser, Right
from dev.validator.postgres import Connection, Pool
from dev.validator.topology import MappingCode, SignedTransaction

LOG = logging.getLogger(__name__)

PROTOCOL_VERSION = 35
AUTHORIZED_STORE = 0
# One package of this size stands for the archives that a real participant keeps in its database.
PACKAGE_BYTES = 512 * 1024


@dataclass(frozen=True)
class Identity:
    """Identifier and namespace fingerprint of the node."""

    identifier: str
    namespace: str

    @property
    def uid(self) -> str:
        """`identifier::namespace`."""
        return f"{self.identifier}::{self.namespace}"

    @property
    def participant_id(self) -> str:
        """`PAR::identifier::namespace`, as an identity dump has it."""
        return f"PAR::{self.uid}"


def now_micros() -> int:
    """Microseconds since 1970, the unit of every time in Canton's tables."""
    return time.time_ns() // 1000


class ParticipantStore:
    """Queries and changes; every method is one transaction."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    # Identity

    def identity(self) -> Identity | None:
        """The node's identity, or None while nobody has initialised it."""
        with self._pool.connection() as connection:
            return _identity(connection)

    def import_keys(self, keys: Sequence[KeyPair]) -> None:
        """Store key pairs. Raises ValueError when the node has an identity already."""
        with self._pool.connection() as connection:
            if _identity(connection) is not None:
                raise ValueError("keys: the participant is initialised, its keys cannot be replaced")
            for key in keys:
                _insert_key(connection, key)

    def initialise(self, identifier: str, admin_user: str, snapshot: Sequence[SignedTransaction]) -> Identity:
        """Give the node its identity, with the imported keys or new ones.

        Raises ValueError when it has another identity already, or when only some of the keys were imported.
        """
        with self._pool.connection() as connection:
            existing = _identity(connection)
            if existing is not None:
                if existing.identifier != identifier:
                    raise ValueError(f"identifier: the participant already is {existing.participant_id}")
                return existing
            keys = _keys(connection) or _generate_keys(connection)
            namespace_key = keys.get("namespace")
            if namespace_key is None or set(keys) != set(KEY_NAMES):
                raise ValueError(f"keys: {', '.join(KEY_NAMES)} are needed, found {', '.join(sorted(keys))}")
            identity = Identity(identifier, namespace_key.fingerprint)
            connection.execute("insert into common_node_id values (%s, %s)", [identifier, identity.namespace])
            connection.execute("insert into lapi_parameters (participant_id) values (%s)", [identity.uid])
            connection.execute("insert into par_settings (client) values (0) on conflict do nothing")
            _upload_package(connection)
            for transaction in [*snapshot, *_own_topology(identity, keys)]:
                _store_topology(connection, transaction)
            _upsert_user(connection, admin_user, None, [(PARTICIPANT_ADMIN, None)])
            return identity

    def dump_keys(self) -> list[KeyPair]:
        """All key pairs, in the order of KEY_NAMES."""
        with self._pool.connection() as connection:
            keys = _keys(connection)
        return [keys[name] for name in KEY_NAMES if name in keys]

    # Topology

    def topology(self) -> list[SignedTransaction]:
        """The authorized store's valid transactions, oldest first."""
        with self._pool.connection() as connection:
            rows = connection.execute(
                "select instance from common_topology_transactions where valid_until is null order by id"
            ).fetchall()
        return [SignedTransaction.from_json(json.loads(bytes(row["instance"]))) for row in rows]

    def sign_party_mapping(self, party: str, serial: int) -> SignedTransaction:
        """A transaction that hosts the party on this node, not yet stored.

        Raises ValueError when the party lies in another namespace.
        """
        with self._pool.connection() as connection:
            identity = _required_identity(connection)
            if party.rsplit("::", 1)[-1] != identity.namespace:
                raise ValueError(f"party: {party} is not in the participant's namespace {identity.namespace}")
            namespace_key = _keys(connection)["namespace"]
        code = MappingCode.PARTY_TO_PARTICIPANT
        return SignedTransaction.sign(namespace_key, code, party, identity.participant_id, serial)

    def host_party(self, transaction: SignedTransaction) -> None:
        """Store an accepted hosting transaction, so that the party is active here."""
        with self._pool.connection() as connection:
            _store_topology(connection, transaction)
            connection.execute(
                "insert into common_party_metadata (party_id, participant_id, notified, effective_at)"
                " values (%s, %s, true, %s) on conflict (party_id)"
                " do update set participant_id = excluded.participant_id, effective_at = excluded.effective_at",
                [transaction.subject, transaction.value, now_micros()],
            )

    def parties(self) -> list[str]:
        """Parties hosted here."""
        with self._pool.connection() as connection:
            identity = _required_identity(connection)
            rows = connection.execute(
                "select party_id from common_party_metadata where participant_id = %s order by party_id",
                [identity.participant_id],
            ).fetchall()
        return [row["party_id"] for row in rows]

    # Synchronizer

    def synchronizer(self) -> dict[str, str] | None:
        """`url` of the synchronizer and this installation's `instance` token, once connected."""
        with self._pool.connection() as connection:
            row = connection.execute(
                "select config from par_synchronizer_connection_configs where synchronizer_alias = %s",
                [SYNCHRONIZER_ALIAS],
            ).fetchone()
        return json.loads(bytes(row["config"])) if row else None

    def connect_synchronizer(self, url: str) -> dict[str, str]:
        """Store the synchronizer's address; the instance token is made once and stays."""
        instance = (self.synchronizer() or {}).get("instance", secrets.token_hex(16))
        config = {"url": url, "instance": instance}
        with self._pool.connection() as connection:
            connection.execute(
                "insert into par_synchronizer_connection_configs (synchronizer_alias, config) values (%s, %s)"
                " on conflict (synchronizer_alias, empty_if_null_physical_synchronizer_id)"
                " do update set config = excluded.config",
                [SYNCHRONIZER_ALIAS, json.dumps(config).encode()],
            )
        return config

    # Ledger

    def ledger_end(self) -> int:
        """The last offset, 0 before the first update."""
        with self._pool.connection() as connection:
            row = connection.execute("select ledger_end from lapi_parameters").fetchone()
        return int(row["ledger_end"] or 0) if row else 0

    def add_contracts(self, contracts: Sequence[Contract], command_id: str | None = None) -> int:
        """Activate contracts in one update of the ledger; known ones are left out. Returns the ledger's end."""
        with self._pool.connection() as connection:
            return _add_update(connection, contracts, command_id)

    def add_history(self, owner: str, updates: int) -> int:
        """Add updates that create contracts of an application of the owner's own. Returns the ledger's end."""
        end = self.ledger_end()
        with self._pool.connection() as connection:
            for number in range(updates):
                payload = {"owner": owner, "number": str(number), "content": secrets.token_hex(256)}
                end = _add_update(connection, [Contract.create(ACME_RECORD, payload)], None)
        return end

    def updates(self, after: int, limit: int) -> list[dict[str, Any]]:
        """Up to `limit` updates after an offset, each with `offset`, `update_id`, `record_time`, `contracts`.

        An offset beyond the ledger's end gives no updates and no error, which is why a wrong order of backups
        stays silent (domain 4).
        """
        with self._pool.connection() as connection:
            rows = connection.execute(
                "select m.event_offset, m.update_id, m.record_time, array_agg(c.instance) as instances"
                " from lapi_update_meta m"
                " join lapi_events_activate_contract e using (event_offset)"
                " join par_contracts c using (internal_contract_id)"
                " where m.event_offset > %s group by 1, 2, 3 order by 1 limit %s",
                [after, limit],
            ).fetchall()
        return [
            {
                "offset": row["event_offset"],
                "update_id": bytes(row["update_id"]).hex(),
                "record_time": row["record_time"],
                "contracts": [json.loads(bytes(instance)) for instance in row["instances"]],
            }
            for row in rows
        ]

    def has_contract(self, qualified_name: str) -> bool:
        """Whether a contract of the template is active here."""
        with self._pool.connection() as connection:
            row = connection.execute(
                "select 1 from par_contracts where template_id = %s limit 1", [qualified_name]
            ).fetchone()
        return row is not None

    # Users

    def upsert_user(self, user_id: str, primary_party: str | None, rights: Sequence[Right]) -> None:
        """Create the user if it is missing, set its primary party, add rights."""
        with self._pool.connection() as connection:
            _upsert_user(connection, user_id, primary_party, rights)

    def users(self) -> list[LedgerUser]:
        """All ledger users."""
        with self._pool.connection() as connection:
            users = connection.execute("select * from lapi_users order by internal_id").fetchall()
            rights = connection.execute("select * from lapi_user_rights").fetchall()
        return [
            LedgerUser(
                user["user_id"],
                user["primary_party"],
                user["is_deactivated"],
                frozenset(
                    (right["user_right"], right["for_party"])
                    for right in rights
                    if right["user_internal_id"] == user["internal_id"]
                ),
            )
            for user in users
        ]

    def check(self) -> None:
        """Raise psycopg.Error when the tables cannot be read."""
        with self._pool.connection() as connection:
            connection.execute("select 1 from common_node_id")


def _identity(connection: Connection) -> Identity | None:
    row = connection.execute("select identifier, namespace from common_node_id").fetchone()
    return Identity(row["identifier"], row["namespace"]) if row else None


def _required_identity(connection: Connection) -> Identity:
    identity = _identity(connection)
    if identity is None:
        raise ValueError("the participant is not initialised")
    return identity


def _insert_key(connection: Connection, key: KeyPair) -> None:
    for table, data in (("private", key.public + key.private), ("public", key.public)):
        connection.execute(
            sql.SQL(
                "insert into {} (key_id, purpose, data, name) values (%s, %s, %s, %s) on conflict do nothing"
            ).format(sql.Identifier(f"common_crypto_{table}_keys")),
            [key.fingerprint, key.purpose, data, key.name],
        )


def _generate_keys(connection: Connection) -> dict[str, KeyPair]:
    keys = {name: KeyPair.generate(name) for name in KEY_NAMES}
    for key in keys.values():
        _insert_key(connection, key)
    return keys


def _keys(connection: Connection) -> dict[str, KeyPair]:
    rows = connection.execute("select name, data from common_crypto_private_keys").fetchall()
    return {row["name"]: KeyPair(row["name"], bytes(row["data"])[:32], bytes(row["data"])[32:]) for row in rows}


def _own_topology(identity: Identity, keys: dict[str, KeyPair]) -> list[SignedTransaction]:
    namespace_key = keys["namespace"]
    key_ids = ",".join(keys[name].fingerprint for name in KEY_NAMES if name != "namespace")
    delegation = SignedTransaction.sign(
        namespace_key, MappingCode.NAMESPACE_DELEGATION, identity.namespace, identity.namespace
    )
    owner = SignedTransaction.sign(namespace_key, MappingCode.OWNER_TO_KEY, identity.participant_id, key_ids)
    return [delegation, owner]


def _store_topology(connection: Connection, transaction: SignedTransaction) -> None:
    identifier = transaction.subject.removesuffix(transaction.namespace).removesuffix("::")
    valid_from = now_micros()
    newer = connection.execute(
        "select 1 from common_topology_transactions where transaction_type = %s and namespace = %s"
        " and identifier = %s and serial_counter >= %s",
        [transaction.code, transaction.namespace, identifier, transaction.serial],
    ).fetchone()
    if newer is not None:
        return
    connection.execute(
        "update common_topology_transactions set valid_until = %s"
        " where transaction_type = %s and namespace = %s and identifier = %s and valid_until is null",
        [valid_from, transaction.code, transaction.namespace, identifier],
    )
    connection.execute(
        "insert into common_topology_transactions (store_id, sequenced, transaction_type, namespace, identifier,"
        " mapping_key_hash, serial_counter, valid_from, batch_idx, operation, instance, tx_hash, is_proposal,"
        " representative_protocol_version, hash_of_signatures)"
        " values (%s, %s, %s, %s, %s, sha256(%s), %s, %s,"
        " (select count(*) from common_topology_transactions), 2, %s, %s, false, %s, sha256(%s))",
        [
            AUTHORIZED_STORE,
            valid_from,
            transaction.code,
            transaction.namespace,
            identifier,
            transaction.subject.encode(),
            transaction.serial,
            valid_from,
            json.dumps(transaction.to_json()).encode(),
            transaction.hash,
            PROTOCOL_VERSION,
            bytes.fromhex(transaction.signature),
        ],
    )


def _upload_package(connection: Connection) -> None:
    package_id, data = secrets.token_hex(32), secrets.token_bytes(PACKAGE_BYTES)
    connection.execute(
        "insert into par_daml_packages values (%s, %s, 'splice-wallet', '0.1.15', %s, %s)",
        [package_id, data, now_micros(), len(data)],
    )
    connection.execute(
        "insert into par_dars values (%s, %s, 'splice-wallet-0.1.15.dar', 'splice-wallet', '0.1.15')",
        [package_id, data],
    )
    connection.execute("insert into par_dar_packages values (%s, %s)", [package_id, package_id])


def _add_update(connection: Connection, contracts: Sequence[Contract], command_id: str | None) -> int:
    end = connection.execute("select ledger_end, ledger_end_sequential_id from lapi_parameters for update").fetchone()
    if end is None:
        raise ValueError("the participant is not initialised")
    offset, sequential_id = int(end["ledger_end"] or 0), int(end["ledger_end_sequential_id"] or 0)
    internal_ids = [i for i in (_insert_contract(connection, contract) for contract in contracts) if i]
    if not internal_ids:
        return offset
    offset, first, time_now, update_id = offset + 1, sequential_id + 1, now_micros(), secrets.token_bytes(34)
    for node, internal_id in enumerate(internal_ids):
        sequential_id += 1
        connection.execute(
            "insert into lapi_events_activate_contract (event_offset, update_id, command_id, record_time,"
            " synchronizer_id, event_type, event_sequential_id, node_id, representative_package_id,"
            " internal_contract_id) values (%s, %s, %s, %s, 0, 1, %s, %s, 0, %s)",
            [offset, update_id, command_id, time_now, sequential_id, node, internal_id],
        )
    connection.execute(
        "insert into lapi_update_meta values (%s, %s, %s, %s, 0, %s, %s)",
        [update_id, offset, time_now, time_now, first, sequential_id],
    )
    connection.execute(
        "update lapi_parameters set ledger_end = %s, ledger_end_sequential_id = %s, ledger_end_publication_time = %s",
        [offset, sequential_id, time_now],
    )
    return offset


def _insert_contract(connection: Connection, contract: Contract) -> int | None:
    contract_id = bytes.fromhex(contract.contract_id)
    row = connection.execute(
        "insert into par_contracts (contract_id, instance, package_id, template_id) values (%s, %s, %s, %s)"
        " on conflict do nothing returning internal_contract_id",
        [
            contract_id,
            json.dumps(contract.to_json()).encode(),
            contract.package_id,
            contract.qualified_name,
        ],
    ).fetchone()
    if row is None:
        return None
    connection.execute(
        "insert into par_active_contracts (synchronizer_idx, contract_id, change, operation, ts, repair_counter)"
        " values (0, %s, 'activation', 'create', %s, 0)",
        [contract_id, now_micros()],
    )
    return int(row["internal_contract_id"])


def _upsert_user(
    connection: Connection,
    user_id: str,
    primary_party: str | None,
    rights: Sequence[Right],
) -> None:
    row = connection.execute(
        "insert into lapi_users (user_id, primary_party, created_at) values (%s, %s, %s)"
        " on conflict (user_id) do update set primary_party = coalesce(excluded.primary_party,"
        " lapi_users.primary_party), resource_version = lapi_users.resource_version + 1"
        " returning internal_id",
        [user_id, primary_party, now_micros()],
    ).fetchone()
    assert row is not None
    for right, party in rights:
        connection.execute(
            "insert into lapi_user_rights (user_internal_id, user_right, for_party, granted_at)"
            " select %(user)s, %(right)s, %(party)s::varchar, %(now)s where not exists (select 1 from lapi_user_rights"
            " where user_internal_id = %(user)s and user_right = %(right)s"
            " and for_party is not distinct from %(party)s::varchar)",
            {"user": row["internal_id"], "right": right, "party": party, "now": now_micros()},
        )
