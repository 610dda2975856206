"""A store that loses answers, is slow to make an object, throttles, or has another clock or region."""

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from threading import Event

import pytest

from catalyx_dr.adapters.bucket_store import BucketStore
from catalyx_dr.adapters.multipart_upload import MultipartUpload
from catalyx_dr.adapters.rate_limit import Pace
from catalyx_dr.adapters.secret_files import SecretFiles
from catalyx_dr.model.bucket import BackupBucket
from catalyx_dr.model.errors import RefusedError, UnreachableError
from tests.fixtures_bucket import EVERY_STORE, S3Server
from tests.odd_store import Fault, OddStore, kept_waiting, lost, odd_store, promised, refused

_CONTENT = os.urandom(1_000_000)


@pytest.fixture
def odd(s3_server: S3Server) -> Iterator[OddStore]:
    with odd_store(s3_server) as store:
        yield store


@pytest.fixture
def store(bucket: BackupBucket, odd: OddStore, secrets: SecretFiles) -> BucketStore:
    """The test's bucket by way of the odd store."""
    return _by_way_of(odd, bucket, secrets, timedelta(minutes=1))


def _by_way_of(odd: OddStore, bucket: BackupBucket, secrets: SecretFiles, patience: timedelta) -> BucketStore:
    changes = {"endpoint": odd.endpoint, "outage_patience": patience}
    return BucketStore.reach(bucket.model_copy(update=changes), secrets)


def _write(store: BucketStore) -> None:
    with store.writing("a/key", Pace(None), Event()) as upload:
        upload.write(_CONTENT)


@EVERY_STORE
@pytest.mark.parametrize(
    ("kind", "fault"),
    [
        ("create", lost),
        ("part", lost),
        ("complete", lost),
        ("complete", promised),
        ("complete", refused(500, "InternalError")),
        ("complete", kept_waiting),
        ("complete", refused(200, "InternalError")),
        ("complete", refused(409, "OperationAborted")),
        ("part", refused(503, "SlowDown", **{"Retry-After": "1"})),
        ("head", lost),
    ],
)
def test_object_is_there_whatever_becomes_of_answers(
    store: BucketStore, odd: OddStore, kind: str, fault: Fault
) -> None:
    odd.wrong[kind] = [fault]

    _write(store)

    assert odd.wrong[kind] == []
    assert store.get("a/key") == _CONTENT


def test_older_object_of_the_same_size_is_not_taken_for_the_new_one(store: BucketStore, odd: OddStore) -> None:
    _write(store)
    upload = MultipartUpload(store, "a/key", Pace(None), Event())
    upload.write(bytes(len(_CONTENT)))
    odd.wrong["complete"] = [promised, refused(404, "NoSuchUpload")]

    upload.complete()

    assert odd.wrong["complete"] == []
    assert store.get("a/key") == bytes(len(_CONTENT))


def test_upload_that_somebody_dropped_is_told(bucket: BackupBucket, odd: OddStore, secrets: SecretFiles) -> None:
    odd.wrong["complete"] = [refused(404, "NoSuchUpload")]

    with pytest.raises(UnreachableError, match="has no object a/key of this upload yet, nor the upload any more"):
        _write(_by_way_of(odd, bucket, secrets, timedelta()))


@EVERY_STORE
@pytest.mark.parametrize(
    ("kind", "act"),
    [
        ("put", lambda store: store.put("a/key", b"x")),
        ("delete", lambda store: store.delete_below("a/")),
        ("abort", lambda store: store.abort_uploads("a/", datetime.now(UTC) + timedelta(hours=1))),
        ("uploads", lambda store: store.abort_uploads("a/", datetime.now(UTC) + timedelta(hours=1))),
    ],
)
def test_request_whose_answer_was_lost_is_repeated(
    store: BucketStore, odd: OddStore, kind: str, act: Callable[[BucketStore], None]
) -> None:
    store.put("a/other", b"x")
    MultipartUpload(store, "a/left", Pace(None), Event())
    odd.wrong[kind] = [lost]

    act(store)

    assert odd.wrong[kind] == []


@pytest.mark.parametrize(
    ("status", "code", "told"),
    [
        (403, "RequestTimeTooSkewed", "m; correct the clock of this node, or the store's"),
        (301, "PermanentRedirect", r"m; correct bucket\.region"),
        (400, "AuthorizationHeaderMalformed", r"m; correct bucket\.region"),
        (400, "ExpiredToken", "m; its credentials have expired"),
        (403, "InvalidObjectState", r"m; a lifecycle rule archived it: bring it back \(aws s3api restore-object\)"),
    ],
)
def test_refusal_is_told_with_its_way_out(store: BucketStore, odd: OddStore, status: int, code: str, told: str) -> None:
    odd.wrong["get"] = [refused(status, code)] * 9

    with pytest.raises(RefusedError, match=told):
        store.objects("a/")
