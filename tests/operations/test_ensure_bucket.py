"""The bucket of an S3-compatible store is made as declared."""

from datetime import timedelta

import pytest

from catalyx_dr.model.bucket import ObjectLock
from catalyx_dr.model.errors import RefusedError, UnreachableError
from catalyx_dr.operations.backup import back_up
from catalyx_dr.operations.ensure_bucket import ensure_bucket
from tests.fixtures_bucket import AND_LIKE_AWS, EVERY_STORE, S3Server, declared_bucket
from tests.fixtures_validator import Protected


@AND_LIKE_AWS
def test_bucket_is_made_once_versioned_and_locked(protected: Protected, s3_server: S3Server) -> None:
    lock = ObjectLock(mode="governance", retention=timedelta(days=3))
    declared = protected.declared(bucket=declared_bucket(s3_server, "made-locked", object_lock=lock))

    for _ in range(2):
        ensure_bucket(declared.spec, declared.surroundings)

    declared.bucket_sets.store.put("a/key", b"content")
    assert declared.bucket_sets.store.locked_until("a/key") is not None
    assert not declared.bucket_sets.store.delete("a/key")
    client = s3_server.client()
    assert client.get_bucket_versioning(Bucket="made-locked")["Status"] == "Enabled"
    configuration = client.get_object_lock_configuration(Bucket="made-locked")["ObjectLockConfiguration"]
    assert configuration["Rule"]["DefaultRetention"] == {"Mode": "GOVERNANCE", "Days": 3}


@EVERY_STORE
def test_bucket_without_lock_is_versioned_and_takes_a_backup(protected: Protected, s3_server: S3Server) -> None:
    declared = protected.declared(bucket=declared_bucket(s3_server, "made-plain"))

    ensure_bucket(declared.spec, declared.surroundings)

    back_up(declared.spec, declared.surroundings)
    assert len(declared.whole_in_bucket()) == 1
    assert s3_server.client().get_bucket_versioning(Bucket="made-plain")["Status"] == "Enabled"


def test_lock_of_part_of_a_day_is_refused(protected: Protected, s3_server: S3Server) -> None:
    lock = ObjectLock(retention=timedelta(hours=36))
    declared = protected.declared(bucket=declared_bucket(s3_server, "never-made", object_lock=lock))

    with pytest.raises(RefusedError, match="stores lock for whole days"):
        ensure_bucket(declared.spec, declared.surroundings)


@EVERY_STORE
def test_existing_bucket_must_be_there(protected: Protected, s3_server: S3Server) -> None:
    declared = protected.declared(bucket=declared_bucket(s3_server, "not-there", provider="existing"))

    with pytest.raises(RefusedError, match="create the bucket, or correct its name"):
        ensure_bucket(declared.spec, declared.surroundings)


def test_store_that_is_down_is_said(protected: Protected, s3_server: S3Server) -> None:
    bucket = declared_bucket(s3_server, "made").model_copy(update={"endpoint": "http://127.0.0.1:1"})

    with pytest.raises(UnreachableError, match="check endpoint, network and store"):
        ensure_bucket(protected.declared(bucket=bucket).spec, protected.surroundings)
