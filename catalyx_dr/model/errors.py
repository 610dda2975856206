"""Errors that people read: what was found, what is allowed, the way out."""


class CatalyxDrError(Exception):
    """Base of every error this package raises on purpose; its text is complete and holds no secret."""


class SpecError(CatalyxDrError):
    """A stack file or a specification is wrong; the text has one line a fault, each with its path."""


class RefusedError(CatalyxDrError):
    """An operation was refused before anything was touched."""


class MissingError(RefusedError):
    """An object that an operation needs is not there."""


class ArchivedError(RefusedError):
    """An object is in a storage class from which it has to be brought back before it can be read."""


class UnprovenError(CatalyxDrError):
    """A result could not be proven, so it is not published, listed or called completed."""


class EndedError(SystemExit):
    """The run was ended from outside: its pod was deleted, or its deadline has passed.

    No Exception, so that nobody takes it for a fault of what was just done, as boto3 does; psycopg ends its statement.
    """


class UnreachableError(CatalyxDrError):
    """An outside system (database, store, validator, Keycloak, cluster) did not answer as it must."""
