"""Start, restart, loss and re-onboarding of the stand-in validator."""

import json

import httpx2
import psycopg

from catalyx_dr.adapters.scan_api import ScanClient
from dev.validator.keys import KeyPair
from tests.dev_validator.harness import PostgresServer, Validator, ValidatorFactory, free_port, wait_until


def copy_database(postgres: PostgresServer, source: str, target: str) -> None:
    """What a backup and its restore leave: the database as it was at one moment."""
    with postgres.admin("postgres", "postgres") as connection:
        connection.execute(f"create database {target} template {source} owner cnadmin".encode())


def balance_after_restart(validator: Validator) -> str:
    validator.stop()
    validator.start()
    return validator.balance()


def test_a_fresh_participant_waits_for_its_app(make_validator: ValidatorFactory) -> None:
    validator = make_validator("fresh")
    validator.start_participant()
    tables = validator.postgres.scalar(
        validator.participant_db,
        "select count(*) from information_schema.tables where table_schema = 'participant'",
    )
    assert tables > 15
    assert validator.postgres.scalar(validator.participant_db, "select * from participant.common_node_id") is None


def test_a_restart_changes_nothing(make_validator: ValidatorFactory) -> None:
    validator = make_validator("restart")
    validator.start()
    validator.tap("5")
    dump, balance, end = validator.dump(), validator.balance(), validator.ledger_end()
    assert balance_after_restart(validator) == balance == "1005.0000000000"
    assert validator.dump()["id"] == dump["id"]
    assert validator.ledger_end() == end


def test_two_apps_never_run_on_one_database(make_validator: ValidatorFactory) -> None:
    validator = make_validator("lock")
    validator.start()
    second = validator.start_app(port=free_port())
    assert second.exit_code() == 1
    assert "another validator app runs on this database" in second.log()


def test_a_lost_database_ends_the_app_and_readiness_of_the_participant(make_validator: ValidatorFactory) -> None:
    validator = make_validator("lost")
    validator.start()
    for database in (validator.app_db, validator.participant_db):
        validator.postgres.drop_database(database)
    assert validator.roles[-1].exit_code() == 1
    status = f"http://127.0.0.1:{validator.admin_port}/healthz"
    wait_until(lambda: httpx2.get(status, trust_env=False, timeout=20).status_code == 503, "the participant is ill")
    validator.create_databases()


def test_an_app_ahead_of_its_participant_stays_silently_healthy(make_validator: ValidatorFactory) -> None:
    validator = make_validator("ahead")
    validator.start()
    validator.stop()
    copy_database(validator.postgres, validator.participant_db, "participant_older")
    validator.start()
    for _ in range(3):
        validator.tap("1")
    balance = validator.balance()
    validator.stop()
    validator.participant_db = "participant_older"
    validator.start()
    assert validator.last_ingested_offset() > validator.ledger_end()
    assert validator.get("/readyz").status_code == 200
    assert validator.balance() == balance
    assert validator.tap("100").status_code == 200
    assert validator.balance() == balance


def test_without_a_dump_the_used_onboarding_secret_is_unknown(make_validator: ValidatorFactory) -> None:
    validator = make_validator("nodump")
    validator.start()
    validator.lose_databases()
    validator.create_databases()
    validator.start_participant()
    app = validator.start_app()
    assert app.exit_code() == 1
    assert "Unknown secret" in app.log()


def test_re_onboarding_brings_party_and_coins_back_on_a_new_participant(make_validator: ValidatorFactory) -> None:
    validator = make_validator("reonboard")
    validator.start()
    validator.tap("7")
    dump, balance = validator.dump(), validator.balance()
    party = validator.get("/v0/validator-user").json()["party_id"]

    validator.lose_databases()
    validator.create_databases()
    validator.import_dump(dump, "acme-validator-1-second")
    validator.start()

    new = validator.dump()
    assert new["id"].split("::")[1:] == ["acme-validator-1-second", dump["id"].split("::")[2]]
    assert new["keys"] == dump["keys"]
    assert validator.get("/v0/validator-user").json()["party_id"] == party
    assert validator.balance() == balance
    records = "select count(*) from participant.par_contracts where template_id = 'Acme.Registry:Record'"
    assert validator.postgres.scalar(validator.participant_db, records) == 0

    validator.tap("1")
    end = validator.ledger_end()
    assert balance_after_restart(validator) == "1008.0000000000"
    assert validator.ledger_end() == end


def test_an_identifier_used_before_is_refused(make_validator: ValidatorFactory) -> None:
    validator = make_validator("reuse")
    validator.start()
    dump = validator.dump()
    for identifier, complaint in (
        ("acme-validator-1", "is the dump's own"),
        ("acme-validator-1-used", "never used before"),
    ):
        validator.lose_databases()
        validator.create_databases()
        if identifier.endswith("-used"):
            validator.import_dump(dump, identifier)
            validator.start()
            dump = {**validator.dump(), "id": dump["id"]}
            validator.lose_databases()
            validator.create_databases()
        validator.import_dump(dump, identifier)
        validator.start_participant()
        app = validator.start_app()
        assert app.exit_code() == 1
        assert complaint in app.log()


def test_a_crash_after_the_party_move_leaves_the_party_without_contracts(
    make_validator: ValidatorFactory, scan_url: str
) -> None:
    validator = make_validator("crash")
    validator.start()
    dump = validator.dump()
    party = validator.get("/v0/validator-user").json()["party_id"]
    validator.lose_databases()
    validator.create_databases()
    validator.import_dump(dump, "acme-validator-1-crashed")
    without_switch = dict(validator.extra_environment)
    validator.extra_environment["CATALYX_DR_DEV_CRASH_AFTER_PARTY_MOVE"] = "1"
    validator.start_participant()
    assert validator.start_app().exit_code() == 70

    validator.extra_environment = without_switch
    app = validator.start_app()
    assert app.exit_code() == 1
    assert "ValidatorLicense not found" in app.log()
    assert "Unknown secret" in app.log()
    assert validator.postgres.scalar(validator.participant_db, "select count(*) from participant.par_contracts") == 0
    moved = ScanClient(scan_url).participant_of(party)
    assert moved is not None
    assert moved.startswith("PAR::acme-validator-1-crashed::")

    # The way out: another fresh identifier, and a dump whose id names the participant that hosts the party now.
    validator.lose_databases()
    validator.create_databases()
    validator.import_dump(dump, "acme-validator-1-third")
    validator.start_participant()
    stale = validator.start_app()
    assert stale.exit_code() == 1
    assert "is hosted on PAR::acme-validator-1-crashed" in stale.log()
    validator.lose_databases()
    validator.create_databases()
    validator.import_dump({**dump, "id": moved}, "acme-validator-1-fourth")
    validator.start()
    assert validator.balance() == "1000.0000000000"


def test_settings_that_contradict_themselves_end_the_app(make_validator: ValidatorFactory) -> None:
    validator = make_validator("settings")
    dump = {"id": "PAR::a::1220", "keys": [], "authorizedStoreSnapshot": ""}
    validator.import_dump(dump, "acme-validator-1-new")
    both = dict(validator.extra_environment)
    migrate = {name: value for name, value in both.items() if name.endswith("MIGRATE_VALIDATOR_PARTY")}
    for environment, node_identifier, complaint in (
        (migrate, "acme-validator-1-new", "migrateValidatorParty: set without"),
        (both, "acme-validator-1", "both must be the same"),
        ({"ADDITIONAL_CONFIG_OTHER": "a { b = "}, "acme-validator-1", "ADDITIONAL_CONFIG_OTHER: not valid HOCON"),
    ):
        validator.extra_environment, validator.node_identifier = environment, node_identifier
        app = validator.start_app()
        assert app.exit_code() == 1
        assert complaint in app.log()


def test_a_dump_with_other_keys_is_refused(make_validator: ValidatorFactory) -> None:
    validator = make_validator("otherkeys")
    validator.start()
    dump = validator.dump()
    validator.lose_databases()
    validator.create_databases()
    dump["keys"][0] = KeyPair.generate("namespace").to_dump()
    validator.import_dump(dump, "acme-validator-1-other")
    validator.start_participant()
    app = validator.start_app()
    assert app.exit_code() == 1
    assert "its namespace key is not that of" in app.log()
    assert json.loads(json.dumps(dump["keys"][0]))["keyPair"] not in app.log()


def test_onboarded_users_are_lost_with_the_participant(make_validator: ValidatorFactory) -> None:
    validator = make_validator("users")
    validator.start()
    created = httpx2.post(
        f"{validator.url}/v0/admin/users",
        json={"name": "bob"},
        headers={"Authorization": f"Bearer {validator.provider.token('service-account-id')}"},
        trust_env=False,
    )
    assert created.json()["party_id"].startswith("bob::1220")
    dump = validator.dump()
    validator.lose_databases()
    validator.create_databases()
    validator.import_dump(dump, "acme-validator-1-users")
    validator.start()
    assert "bob" not in validator.as_operator("/v0/admin/users")["usernames"]
    with psycopg.connect(
        host="127.0.0.1", port=validator.postgres.port, dbname=validator.participant_db, user="cnadmin"
    ) as connection:
        rows = connection.execute("select party_id from participant.common_party_metadata").fetchall()
    assert any(str(row[0]).startswith("bob::") for row in rows)
