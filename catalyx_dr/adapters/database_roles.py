"""Roles that a dump needs: whom it names, and what its user may do. Read from one server, made on another."""

from typing import LiteralString

from psycopg import sql

from catalyx_dr.adapters.postgres import Connection, fetch_value
from catalyx_dr.model.backup_set import DumpRoles

# Until then, a member of a role could give objects to it.
_SET_SINCE = 160_000
# The first superuser is named by no dependency; a superuser may do what every role may.
_ROLES: LiteralString = """
    SELECT rolname, NOT superuser AND pg_has_role(oid, %(right)s) FROM pg_roles r,
        (SELECT rolsuper AS superuser FROM pg_roles WHERE rolname = current_user) u
    WHERE rolname !~ '^pg_' AND rolname <> current_user AND (
        oid = 10 OR NOT superuser AND pg_has_role(oid, %(right)s) OR EXISTS (
            SELECT FROM pg_shdepend JOIN pg_database d ON d.oid = dbid
            WHERE datname = current_database() AND refclassid = 'pg_authid'::regclass AND refobjid = r.oid))
    ORDER BY 1"""


def roles_of(connection: Connection) -> DumpRoles:
    """Roles of the connected database and its user."""
    right = "SET" if connection.info.server_version >= _SET_SINCE else "MEMBER"
    found = connection.execute(_ROLES, {"right": right}).fetchall()
    return DumpRoles(
        user=str(fetch_value(connection, "SELECT current_user")),
        superuser=bool(fetch_value(connection, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user")),
        held=tuple(name for name, is_held in found if is_held),
        others=tuple(name for name, is_held in found if not is_held),
    )


def make_roles(connection: Connection, roles: DumpRoles) -> None:
    """Make those that are not there, none but the user a superuser, and let the user act as those that it held."""
    there = {name for (name,) in connection.execute("SELECT rolname FROM pg_roles").fetchall()}
    for name in {roles.user, *roles.held, *roles.others} - there:
        statement = "CREATE ROLE {} SUPERUSER" if roles.superuser and name == roles.user else "CREATE ROLE {}"
        connection.execute(sql.SQL(statement).format(sql.Identifier(name)))
    for name in roles.held:
        connection.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(name), sql.Identifier(roles.user)))
