"""An empty database like an existing one: owner, encoding, locale, place, settings and grants, under another name."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import errors, sql
from psycopg.rows import dict_row

from catalyx_dr.adapters.postgres import Connection

# Columns that a server's version has not are simply absent from the row.
_DESCRIPTION = (
    "SELECT d.*, pg_encoding_to_char(encoding) AS charset, datdba::regrole::text AS owner, spcname, "
    "has_tablespace_privilege(t.oid, 'CREATE') AS may_use_tablespace "
    "FROM pg_database d JOIN pg_tablespace t ON t.oid = dattablespace"
)
_DEFAULT_TABLESPACE = "pg_default"
_PROVIDERS = {"i": "icu", "b": "builtin", "c": "libc"}


@dataclass(frozen=True)
class _Grant:
    grantee: str | None
    privilege: str
    grantable: bool

    def on(self, database: str) -> sql.Composed:
        return sql.SQL("GRANT {} ON DATABASE {} TO {}{}").format(
            sql.SQL(self.privilege),  # a keyword of the server's own catalogue
            sql.Identifier(database),
            sql.Identifier(self.grantee) if self.grantee else sql.SQL("PUBLIC"),
            sql.SQL(" WITH GRANT OPTION" if self.grantable else ""),
        )


def create_like(connection: Connection, name: str, model: str, otherwise: str | None = None) -> list[str]:
    """Create the empty database `name` like `model`, or when there is none, as `otherwise` says, else in UTF8.

    `otherwise`: encoding and locale as pg_dump writes them.

    Returns what this user may not give, or the server does not have, in words: whoever restores is to be told of it.
    """
    with connection.cursor(row_factory=dict_row) as cursor:
        found = cursor.execute(f"{_DESCRIPTION} WHERE datname = %s", [model]).fetchone()
    if not found:
        return _create_as(connection, name, otherwise or "ENCODING = 'UTF8'")
    _create(connection, name, _options(found))
    refused = [] if _is_usable(found) else [f"tablespace {found['spcname']}"]
    return refused + _copy_settings(connection, name, found["oid"]) + _copy_grants(connection, name, found["oid"])


def _create(connection: Connection, name: str, options: Sequence[sql.Composable]) -> None:
    statement = sql.SQL("CREATE DATABASE {} TEMPLATE template0 {}")
    connection.execute(statement.format(sql.Identifier(name), sql.SQL(" ").join(options)))


def _create_as(connection: Connection, name: str, told: str) -> list[str]:
    """`told`: as pg_dump wrote it. Where the server knows no such locale, the encoding alone: rows need that."""
    try:
        _create(connection, name, [sql.SQL(told)])
    except (errors.WrongObjectType, errors.InvalidParameterValue, errors.FeatureNotSupported):
        encoding = " ".join(told.split()[:3])
        _create(connection, name, [sql.SQL(f"{encoding} LOCALE = 'C'")])
        return [f"what this server does not have ({told})"]
    return []


def _options(found: dict[str, Any]) -> list[sql.Composable]:
    provider = _PROVIDERS[found.get("datlocprovider", "c")]
    options: list[sql.Composable] = [
        sql.SQL("OWNER {}").format(sql.SQL(found["owner"])),  # regrole is quoted by the server
        sql.SQL("ENCODING {}").format(sql.Literal(found["charset"])),
        sql.SQL("LC_COLLATE {}").format(sql.Literal(found["datcollate"])),
        sql.SQL("LC_CTYPE {}").format(sql.Literal(found["datctype"])),
        sql.SQL("CONNECTION LIMIT {}").format(sql.Literal(found["datconnlimit"])),
    ]
    if provider != "libc":
        locale = found.get("datlocale") or found.get("daticulocale")
        clause = f"LOCALE_PROVIDER {provider} {provider.upper()}_LOCALE {{}}"
        options.append(sql.SQL(clause).format(sql.Literal(locale)))
    if rules := found.get("daticurules"):
        options.append(sql.SQL("ICU_RULES {}").format(sql.Literal(rules)))
    if found["spcname"] != _DEFAULT_TABLESPACE and _is_usable(found):
        options.append(sql.SQL("TABLESPACE {}").format(sql.Identifier(found["spcname"])))
    return options


def _is_usable(found: dict[str, Any]) -> bool:
    """Nobody is granted the default tablespace, where databases go all the same."""
    return bool(found["spcname"] == _DEFAULT_TABLESPACE or found["may_use_tablespace"])


def _copy_settings(connection: Connection, name: str, model_oid: int) -> list[str]:
    rows = connection.execute(
        "SELECT rolname, unnest(setconfig) FROM pg_db_role_setting LEFT JOIN pg_roles ON pg_roles.oid = setrole "
        "WHERE setdatabase = %s",
        [model_oid],
    ).fetchall()
    refused = []
    for role, line in rows:
        setting, _, value = line.partition("=")
        holder = sql.SQL("ROLE {} IN ").format(sql.Identifier(role)) if role else sql.SQL("")
        target = sql.SQL("ALTER {}DATABASE {} SET {} FROM CURRENT").format(
            holder, sql.Identifier(name), sql.SQL(".").join(map(sql.Identifier, setting.split(".")))
        )
        try:
            # FROM CURRENT takes lists such as search_path exactly as they are stored.
            with connection.transaction():
                connection.execute("SELECT set_config(%s, %s, true)", [setting, value])
                connection.execute(target)
        except psycopg.errors.InsufficientPrivilege:
            refused.append(f"setting {setting}{f' for {role}' if role else ''}")
    return refused


def _copy_grants(connection: Connection, name: str, model_oid: int) -> list[str]:
    rows = connection.execute(
        "SELECT r.rolname, a.privilege_type, a.is_grantable FROM pg_database d, aclexplode(d.datacl) a "
        "LEFT JOIN pg_roles r ON r.oid = a.grantee WHERE d.oid = %s",
        [model_oid],
    ).fetchall()
    if not rows:
        return []
    connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(name)))
    refused = []
    for grant in (_Grant(*row) for row in rows):
        try:
            connection.execute(grant.on(name))
        except psycopg.errors.InsufficientPrivilege:
            refused.append(f"{grant.privilege} for {grant.grantee or 'everybody'}")
    return refused
