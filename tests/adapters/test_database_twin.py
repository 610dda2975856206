"""A database that is made as a dump tells, on a server that has not all of it."""

from catalyx_dr.adapters import postgres
from catalyx_dr.adapters.database_twin import create_like
from tests.fixtures_postgres import ThrowawayServer
from tests.fixtures_restore import beside


def test_locale_that_the_server_does_not_have_leaves_the_encoding(postgres_server: ThrowawayServer) -> None:
    told = "ENCODING = 'EUC_JP' LOCALE_PROVIDER = libc LOCALE = 'xx_XX'"
    with beside(postgres_server).maintenance() as connection:
        try:
            assert create_like(connection, "other", "nobody", told) == [f"what this server does not have ({told})"]
        finally:
            postgres.drop(connection, "other")
