"""What is told of the log of a container that only starts and ends: enough to see why, and no secret."""

import base64
import os

import pytest
from pyrage import x25519

from catalyx_dr.rules.crash_loop import last_words
from tests.fixtures_identity import FINGERPRINT

KEY = base64.b64encode(bytes(range(120))).decode()
TOLD = [
    "ERROR c.d.c.environment.CommunityEnvironment - Unknown secret; ValidatorLicense not found",
    f"participant PAR::acme-validator-1::{FINGERPRINT} is not known to the synchronizer",
    'could not connect to "postgres:5432/participant_3": password authentication failed for user "cnadmin"',
    "at org.lfdecentralizedtrust.splice.validator.ParticipantPartyMigrator.migrate(ParticipantPartyMigrator.scala:77)",
]
HIDDEN = [
    ("login with password=correct-horse, again", "correct-horse"),
    ('{"client_secret": "correct horse", "user": "a"}', "horse"),
    ("postgres://cnadmin:correct-horse@postgres/db", "correct-horse"),
    ("Authorization: Bearer correct-horse", "correct-horse"),
    ("got eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln", "eyJ"),
    (f"identity {x25519.Identity.generate()}", "AGE-SECRET-KEY"),
    (f"keyPair {KEY}", KEY[:40]),
    ("-----BEGIN PRIVATE KEY----- MIIEvQ", "MIIEvQ"),
]


@pytest.mark.parametrize("line", TOLD)
def test_what_helps_is_told(line: str) -> None:
    assert last_words(line) == (line,)


@pytest.mark.parametrize(("line", "secret"), HIDDEN)
def test_what_is_or_may_be_a_secret_is_not(line: str, secret: str) -> None:
    (told,) = last_words(line)
    assert secret not in told
    assert "(hidden)" in told


def test_only_the_last_lines_are_told_each_shortened() -> None:
    told = last_words("\n".join([*(f"line {number}" for number in range(20)), "", "x " * 4000]))
    assert told[:4] == ("line 16", "line 17", "line 18", "line 19")
    assert len(told) == 5
    assert len(told[4]) == 300


def test_random_keys_are_never_told() -> None:
    for _ in range(200):
        key = base64.b64encode(os.urandom(48)).decode()
        assert key not in last_words(f"key {key}")[0]
