"""What a pod of the cluster sees, asked of a real database server, a real store and a validator that misbehaves."""

from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from psycopg import sql

from catalyx_dr.adapters.secret_files import SecretFiles
from catalyx_dr.model.api_access import ValidatorApi, WalletLogin
from catalyx_dr.model.bucket import BackupBucket
from catalyx_dr.model.databases import DatabaseRole
from catalyx_dr.model.inside_facts import InsideFacts
from catalyx_dr.model.validator_spec import ValidatorSpec
from catalyx_dr.operations.look_inside import look_inside
from tests.fixtures_identity import (
    CLIENT_SECRET,
    IDENTITIES,
    PARTICIPANT,
    PARTY,
    WALLET_PASSWORD,
    Keycloak,
    Reply,
    ValidatorApp,
)
from tests.fixtures_postgres import PARTICIPANT_ID, PASSWORD, ThrowawayServer
from tests.fixtures_validator import Protected


@dataclass(frozen=True)
class Looked:
    """A validator with everything around it, and how to look at it."""

    spec: ValidatorSpec
    secrets: SecretFiles
    volume: Path
    server: ThrowawayServer
    keycloak: Keycloak
    app: ValidatorApp

    def look(self) -> InsideFacts:
        return look_inside(self.spec, self.secrets, self.volume)


@pytest.fixture
def looked(
    protected_in_bucket: Protected, identity_secrets: SecretFiles, keycloak: Keycloak, validator_app: ValidatorApp
) -> Looked:
    found = protected_in_bucket
    spec = found.spec.model_copy(update={"api": ValidatorApi(url=validator_app.url, wallet_login=WalletLogin())})
    return Looked(spec, identity_secrets, found.surroundings.volume, found.server, keycloak, validator_app)


def test_healthy_validator_answers_everything(looked: Looked) -> None:
    seen = looked.look()

    assert [one.problem for one in seen.databases] == [None, None]
    assert [one.ledger_offset for one in seen.databases] == [200, 200]
    assert seen.databases[1].participant_id == PARTICIPANT_ID
    assert (seen.ready, seen.party_id, seen.participant_id) == (True, PARTY, PARTICIPANT)
    assert (seen.bucket, seen.machine_login, seen.identities, seen.wallet_login, seen.wallet) == (None,) * 5
    assert seen.participant_like == ()
    assert seen.volume_free


def test_answer_holds_no_secret(looked: Looked) -> None:
    looked.keycloak.users.clear()
    text = looked.look().model_dump_json()
    assert not [secret for secret in (PASSWORD, CLIENT_SECRET, WALLET_PASSWORD) if secret in text]
    assert InsideFacts.model_validate_json(text).wallet_login is not None


def test_database_of_another_name_is_told(looked: Looked) -> None:
    looked.server.run("postgres", sql.SQL("DROP DATABASE participant WITH (FORCE)"))
    found = looked.look().database(DatabaseRole.PARTICIPANT)
    assert found is not None
    assert found.problem is not None
    assert "no database 'participant'" in found.problem.text


def test_databases_that_block_the_chart_are_told(looked: Looked) -> None:
    for name in ("participant_0", "replaced_participant_1"):
        looked.server.run("postgres", sql.SQL("CREATE DATABASE {}"), sql.Identifier(name))
    assert looked.look().participant_like == ("participant_0",)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, "token not accepted"),
        (403, "not allowed"),
        (404, "not found"),
        (503, "not ready"),
        (302, "unexpected answer"),
    ],
)
def test_answers_of_the_endpoint_are_told_apart(looked: Looked, status: int, kind: str) -> None:
    looked.app.http.always(IDENTITIES, Reply(status))
    found = looked.look().identities
    assert found is not None
    assert found.kind == kind


def test_bucket_and_validator_that_are_away_are_told(looked: Looked, bucket: BackupBucket) -> None:
    away = bucket.model_copy(update={"name": "not-there"})
    assert looked.spec.backup is not None
    backup = looked.spec.backup.model_copy(update={"bucket": away})
    api = looked.spec.api.model_copy(update={"url": "http://127.0.0.1:9"})
    seen = replace(looked, spec=looked.spec.model_copy(update={"backup": backup, "api": api})).look()
    assert seen.bucket is not None
    assert seen.ready is False
    assert seen.identities is not None
    assert seen.identities.kind == "unreachable"


def test_wallet_user_who_is_not_onboarded_is_told(looked: Looked) -> None:
    looked.app.onboarded = False
    assert looked.look().wallet is not None
