"""A store that goes away in the middle of an upload: waited for, within what is declared."""

import os
from collections.abc import Iterator
from datetime import timedelta
from threading import Event

import pytest

from catalyx_dr.adapters.bucket_store import BucketStore, Effort
from catalyx_dr.adapters.multipart_upload import MultipartUpload
from catalyx_dr.adapters.outage import Outages, silent
from catalyx_dr.adapters.rate_limit import Pace
from catalyx_dr.adapters.secret_files import SecretFiles
from catalyx_dr.model.bucket import BackupBucket
from catalyx_dr.model.errors import RefusedError, UnreachableError
from tests.fixtures_bucket import EVERY_STORE, S3Server

_MIB = 1024 * 1024


@pytest.fixture
def stoppable(s3_server: S3Server) -> Iterator[S3Server]:
    """The store, which runs again after the test."""
    yield s3_server
    s3_server.stop()
    s3_server.start()


def _reached(bucket: BackupBucket, secrets: SecretFiles, patience: timedelta, say: object = silent) -> BucketStore:
    declared = bucket.model_copy(update={"outage_patience": patience})
    return BucketStore.reach(declared, secrets, Effort.BRIEF, say)  # type: ignore[arg-type]


@EVERY_STORE
def test_upload_goes_on_when_the_store_is_back(bucket: BackupBucket, secrets: SecretFiles, stoppable: S3Server) -> None:
    heard = []

    def back_when_waited_for(text: str) -> None:
        heard.append(text)
        if "the upload waits" in text:
            stoppable.start()

    store = _reached(bucket, secrets, timedelta(minutes=2), back_when_waited_for)
    content = os.urandom(20 * _MIB)
    with store.writing("large", Pace(None), Event()) as upload:
        upload.write(content[: 8 * _MIB])
        stoppable.stop()
        upload.write(content[8 * _MIB :])

    stoppable.stop()
    assert store.look_at("large", Event()).bytes == len(content)
    assert store.get("large") == content
    assert not store.client.list_multipart_uploads(Bucket=store.at.name).get("Uploads")
    assert "the upload waits, for 2m at the most" in heard[0]
    assert "answers again after" in heard[1]


def test_outage_longer_than_declared_fails_the_upload(
    bucket: BackupBucket, secrets: SecretFiles, stoppable: S3Server
) -> None:
    store = _reached(bucket, secrets, timedelta(seconds=1))
    upload = MultipartUpload(store, "large", Pace(None), Event())
    upload.write(bytes(_MIB))
    stoppable.stop()
    with pytest.raises(UnreachableError, match="could not write large"):
        upload.complete()


def test_upload_that_is_given_up_waits_for_no_store(
    bucket: BackupBucket, secrets: SecretFiles, stoppable: S3Server
) -> None:
    given_up, heard = Event(), list[str]()

    def give_up(text: str) -> None:
        heard.append(text)
        given_up.set()

    store = _reached(bucket, secrets, timedelta(days=1), give_up)

    def write() -> None:
        with store.writing("large", Pace(None), given_up) as upload:
            upload.write(bytes(_MIB))
            stoppable.stop()

    with pytest.raises(UnreachableError, match="could not write large"):
        write()

    assert len(heard) == 1


def test_one_that_is_given_up_is_not_waited_for() -> None:
    given_up, asked = Event(), list[int]()

    def ask() -> None:
        asked.append(1)
        given_up.set()
        raise UnreachableError("away")

    with pytest.raises(UnreachableError):
        Outages("a store", timedelta(days=1), silent).outlast(ask, given_up)
    assert asked == [1]


def test_a_refusal_is_no_outage() -> None:
    def ask() -> None:
        raise RefusedError("wrong key")

    with pytest.raises(RefusedError):
        Outages("a store", timedelta(days=1), silent).outlast(ask, Event())
