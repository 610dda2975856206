"""Canton-like databases of a size: the stand-in's tables, filled from a seed with what ledgers hold.

Contracts are JSON-like text around hashes and salts, as Canton's serialised instances are; update ids, contract ids and
hashes are random bytes. The same seed gives the same rows on every machine.
"""

from pathlib import Path
from typing import Any

import psycopg

from dev.cache_folder import PROJECT_ROOT

_TABLES = PROJECT_ROOT / "dev" / "validator" / "sql"
# Rows for each GiB of both databases together (measured, indexes included).
_CONTRACTS_A_GIB = 560_000
_PARTICIPANT_SHARE, _APP_SHARE = 1.0, 0.30

# `hash(k)`: 32 bytes that depend on the seed and k alone.
_HASH = """
CREATE FUNCTION pg_temp.hash(k text) RETURNS bytea LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT sha256(convert_to('{seed}/' || k, 'UTF8')) $$;
CREATE FUNCTION pg_temp.party(n bigint) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT 'party-' || (n % 97) || '::1220' || encode(pg_temp.hash('party' || (n % 97)), 'hex') $$;
"""
_PARTICIPANT = """
INSERT INTO common_node_id VALUES ('acme-validator-1', '1220' || encode(pg_temp.hash('namespace'), 'hex'));
INSERT INTO lapi_parameters (participant_id, ledger_end, ledger_end_sequential_id)
VALUES ('acme-validator-1', {contracts}, {contracts});
INSERT INTO par_contracts (contract_id, instance, package_id, template_id)
SELECT '\\x00'::bytea || pg_temp.hash('contract' || n) || '\\xca'::bytea,
       convert_to('{{"template":"Splice.Amulet:Amulet","signatories":["' || pg_temp.party(n) || '","DSO::1220'
           || encode(pg_temp.hash('dso'), 'hex') || '"],"observers":["' || pg_temp.party(n * 7) || '"],"amount":{{'
           || '"initialAmount":"' || (n * 7919 % 1000003) || '.' || (n * 104729 % 10000000000)
           || '","createdAt":{{"number":"' || n / 40 || '"}},"ratePerRound":{{"rate":"0.0000190259"}}}},"createdAt":"'
           || to_char(timestamp '2026-01-01' + n * interval '13 seconds', 'YYYY-MM-DD"T"HH24:MI:SS.US')
           || '"}}', 'UTF8')
           || pg_temp.hash('salt' || n) || pg_temp.hash('authentication' || n),
       encode(pg_temp.hash('package' || n % 12), 'hex'), 'Splice.Amulet:Amulet'
FROM generate_series(1::bigint, {contracts}) n;
INSERT INTO par_active_contracts
SELECT 0, contract_id, 'activation', 'create', 1767225600000000 + internal_contract_id * 13000000, 0, NULL, NULL
FROM par_contracts;
INSERT INTO lapi_update_meta
SELECT '\\x1220'::bytea || pg_temp.hash('update' || n), n, 1767225600000000 + n * 13000000,
       1767225600000000 + n * 13000000 + n % 1000, 0, n, n
FROM generate_series(1::bigint, {contracts}) n;
INSERT INTO lapi_events_activate_contract
SELECT n, '\\x1220'::bytea || pg_temp.hash('update' || n), encode(pg_temp.hash('command' || n), 'hex'),
       1767225600000000 + n * 13000000, 0, 1, n, n % 5, n % 12, n
FROM generate_series(1::bigint, {contracts}) n;
INSERT INTO common_topology_transactions (store_id, sequenced, transaction_type, namespace, identifier,
    mapping_key_hash, serial_counter, valid_from, batch_idx, operation, instance, tx_hash, is_proposal,
    representative_protocol_version, hash_of_signatures)
SELECT 1, n, n % 9, encode(pg_temp.hash('namespace' || n % 97), 'hex'), 'node-' || n % 500,
       pg_temp.hash('key' || n), 1, n, 0, 2,
       convert_to('{{"mapping":"PartyToParticipant","party":"' || pg_temp.party(n) || '"}}', 'UTF8')
           || pg_temp.hash('a' || n) || pg_temp.hash('b' || n),
       pg_temp.hash('tx' || n), false, 34, pg_temp.hash('s' || n)
FROM generate_series(1::bigint, {contracts} / 20) n;
INSERT INTO par_daml_packages
SELECT encode(pg_temp.hash('package' || p), 'hex'),
       (SELECT string_agg(pg_temp.hash(p || '/' || n), ''::bytea) FROM generate_series(1, 12000) n),
       'splice-' || p, '0.1.' || p, 0, 384000
FROM generate_series(0, 11) p;
"""
_APP = """
INSERT INTO store_descriptors (descriptor) VALUES ('{{"name": "DbUserWalletStore", "version": 2}}');
INSERT INTO store_last_ingested_offsets VALUES (1, 0, lpad(to_hex({contracts}), 18, '0'));
INSERT INTO user_wallet_acs_store (store_id, migration_id, contract_id, template_id_package_id,
    template_id_qualified_name, create_arguments, created_event_blob, created_at)
SELECT 1, 0, '00' || encode(pg_temp.hash('contract' || n), 'hex') || 'ca',
       encode(pg_temp.hash('package' || n % 12), 'hex'),
       'Splice.Amulet:Amulet', jsonb_build_object('dso', 'DSO::1220' || encode(pg_temp.hash('dso'), 'hex'),
       'owner', pg_temp.party(n), 'amount', jsonb_build_object('initialAmount', n * 7919 % 1000003)),
       convert_to('Splice.Amulet:Amulet ' || pg_temp.party(n), 'UTF8') || pg_temp.hash('salt' || n), n
FROM generate_series(1::bigint, {contracts} / 2) n;
INSERT INTO user_wallet_txlog_store (store_id, migration_id, transaction_offset, domain_id, entry_type, entry_data)
SELECT 1, 0, lpad(to_hex(n), 18, '0'), 'global-domain::1220' || encode(pg_temp.hash('domain'), 'hex'), 'transfer',
       jsonb_build_object('type', 'transfer', 'eventId', encode(pg_temp.hash('update' || n), 'hex') || ':' || n % 5,
       'sender', pg_temp.party(n), 'receiver', pg_temp.party(n * 3), 'amount', n * 7919 % 1000003)
FROM generate_series(1::bigint, {contracts} / 2) n;
"""


def fill_participant(connection: psycopg.Connection[Any], seed: str, bytes_wanted: int) -> None:
    """Make tables and rows of a participant in the connected empty database, in schema `participant`."""
    _fill(connection, "participant", _TABLES / "participant.sql", _PARTICIPANT, seed, bytes_wanted)


def fill_app(connection: psycopg.Connection[Any], seed: str, bytes_wanted: int) -> None:
    """Make tables and rows of a validator app, in schema `validator`; its offset is the participant's ledger end."""
    _fill(connection, "validator", _TABLES / "validator.sql", _APP, seed, bytes_wanted)


def _fill(
    connection: psycopg.Connection[Any], schema: str, tables: Path, rows: str, seed: str, bytes_wanted: int
) -> None:
    contracts = _CONTRACTS_A_GIB * bytes_wanted // 2**30
    for statements in (
        f"CREATE SCHEMA {schema}; SET search_path TO {schema}, public",
        tables.read_text(),
        _HASH.format(seed=seed),
        rows.format(contracts=contracts),
        "VACUUM ANALYZE",
    ):
        connection.execute(statements.encode())
