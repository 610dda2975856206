"""Stores that are not like AWS: a private authority, buckets in host names, encryption that is asked for."""

import socket
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import boto3
import pytest
from botocore.exceptions import ClientError
from pydantic import ValidationError

from catalyx_dr.adapters.bucket_setup import make
from catalyx_dr.adapters.bucket_store import BucketStore
from catalyx_dr.adapters.secret_files import SecretFiles
from catalyx_dr.model.bucket import BackupBucket, CaBundle
from catalyx_dr.model.errors import RefusedError, UnreachableError
from tests.certificates import Certificates, certificates
from tests.fixtures_bucket import ACCESS_KEY, LIKE_AWS, SECRET_KEY, S3Server, Versitygw, declared_bucket
from tests.fixtures_identity import Asked, HttpServer, Reply

_BUNDLE = CaBundle(name="store-ca")


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def tls_server(signed: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    options = ("--cert", signed.certificate, "--key", signed.key)
    server = Versitygw(tmp_path_factory.mktemp("s3-tls"), options, trusted=signed.authority)
    server.client().create_bucket(Bucket="behind-tls")
    yield server
    server.stop()


@LIKE_AWS
def test_bucket_is_made_in_the_region_that_is_named(s3_server: S3Server, secrets: SecretFiles) -> None:
    declared = declared_bucket(s3_server, "in-its-region", region="eu-central-1")

    assert make(BucketStore.reach(declared, secrets))

    found = s3_server.client().get_bucket_location(Bucket="in-its-region")
    assert found["LocationConstraint"] == "eu-central-1"


def test_job_that_nothing_gives_an_access_key_is_told(
    bucket: BackupBucket, secrets: SecretFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    store = BucketStore.reach(bucket.model_copy(update={"credentials": None}), secrets)

    with pytest.raises(RefusedError, match="nothing gives the job an access key; correct the role"):
        store.check()


@pytest.fixture
def pod_identity() -> Iterator[HttpServer]:
    """Gives credentials to whoever shows a token, each for a minute, so that every request needs new ones."""

    def given(_: Asked) -> Reply:
        end = datetime.now(UTC) + timedelta(minutes=1)
        key = {"AccessKeyId": ACCESS_KEY, "SecretAccessKey": SECRET_KEY, "Token": "t"}
        return Reply.of(key | {"Expiration": f"{end:%FT%TZ}"})

    agent = HttpServer(given)
    yield agent
    agent.stop()


@LIKE_AWS
def test_credentials_of_the_service_account_are_renewed_while_they_are_used(
    bucket: BackupBucket,
    secrets: SecretFiles,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    pod_identity: HttpServer,
) -> None:
    (tmp_path / "token").write_text("of the service account")
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", pod_identity.url)
    monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    store = BucketStore.reach(bucket.model_copy(update={"credentials": None}), secrets)

    for number in range(3):
        store.put(f"a/{number}", b"content")

    assert len(store.objects("a/")) == 3
    assert len(pod_identity.asked) >= 3
    assert {one.authorization for one in pod_identity.asked} == {"of the service account"}


def _trust(secrets: SecretFiles, content: str) -> None:
    path = secrets.path(_BUNDLE.name, _BUNDLE.key)
    path.parent.mkdir(exist_ok=True)
    path.write_text(content)


def test_private_authority_is_trusted_for_this_store(
    tls_server: S3Server, signed: Certificates, secrets: SecretFiles
) -> None:
    _trust(secrets, signed.authority.read_text())
    store = BucketStore.reach(declared_bucket(tls_server, "behind-tls", ca_bundle=_BUNDLE), secrets)

    store.put("a/key", b"content")

    assert store.get("a/key") == b"content"


@pytest.mark.parametrize("trusts", ["the public authorities", "another authority"])
def test_unknown_authority_is_named_with_the_way_out(
    tls_server: S3Server, secrets: SecretFiles, tmp_path: Path, trusts: str
) -> None:
    bundle = None
    if trusts == "another authority":
        _trust(secrets, certificates(tmp_path, "another authority").authority.read_text())
        bundle = _BUNDLE
    store = BucketStore.reach(declared_bucket(tls_server, "behind-tls", ca_bundle=bundle), secrets)

    with pytest.raises(UnreachableError, match=r"not trusted \(.*\); give the certificates .* in bucket\.caBundle"):
        store.check()


@pytest.mark.parametrize("content", [None, "no certificate at all"])
def test_bundle_that_holds_no_certificates_is_refused(
    tls_server: S3Server, secrets: SecretFiles, content: str | None
) -> None:
    if content is not None:
        _trust(secrets, content)

    with pytest.raises(RefusedError, match=r"ConfigMap 'store-ca' has no certificates under key 'ca\.crt'"):
        BucketStore.reach(declared_bucket(tls_server, "behind-tls", ca_bundle=_BUNDLE), secrets)


def test_bucket_in_the_host_name(tmp_path: Path, secrets: SecretFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    server = Versitygw(tmp_path, ("--virtual-domain", "store.test"))
    try:
        server.client().create_bucket(Bucket="by-host")
        port = server.endpoint.rpartition(":")[2]
        real = socket.getaddrinfo
        asked: list[str] = []

        def resolve(host: Any, *arguments: Any, **named: Any) -> Any:
            asked.append(str(host))
            return real("127.0.0.1" if str(host).endswith("store.test") else host, *arguments, **named)

        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        declared = declared_bucket(server, "by-host", endpoint=f"http://store.test:{port}", addressing="virtual-host")
        store = BucketStore.reach(declared, secrets)

        store.put("a/key", b"content")

        assert store.get("a/key") == b"content"
        assert set(asked) == {"by-host.store.test"}
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("declared", "headers"),
    [
        ({}, {}),
        ({"server_side_encryption": "sse-s3"}, {"x-amz-server-side-encryption": "AES256"}),
        (
            {"server_side_encryption": "sse-kms", "kms_key": "k1"},
            {"x-amz-server-side-encryption": "aws:kms", "x-amz-server-side-encryption-aws-kms-key-id": "k1"},
        ),
    ],
)
def test_encryption_by_the_store_is_asked_for_with_each_object_and_missed(
    bucket: BackupBucket, secrets: SecretFiles, declared: dict[str, str], headers: dict[str, str]
) -> None:
    store = BucketStore.reach(bucket.model_copy(update=declared), secrets)
    sent: list[dict[str, str]] = []

    def keep(request: Any, **_: Any) -> None:
        found = {name.lower(): str(value) for name, value in request.headers.items()}
        sent.append({name: value for name, value in found.items() if "server-side-encryption" in name})

    store.client.meta.events.register("before-sign.s3.PutObject", keep)
    with pytest.raises(RefusedError, match="did not encrypt a/key") if headers else nullcontext():
        store.put("a/key", b"content")

    assert sent == [headers]


def test_ceph_encrypts_with_a_key_that_it_knows(ceph: S3Server, secrets: SecretFiles) -> None:
    ceph.client().create_bucket(Bucket="encrypted")

    def store(encryption: str, key: str | None = None) -> BucketStore:
        declared = declared_bucket(ceph, "encrypted", server_side_encryption=encryption, kms_key=key)
        return BucketStore.reach(declared, secrets)

    store("sse-kms", "k1").put("a/key", b"content")

    assert ceph.client().head_object(Bucket="encrypted", Key="a/key")["SSEKMSKeyId"] == "k1"
    assert store("sse-kms", "k1").get("a/key") == b"content"
    with pytest.raises(RefusedError, match=r"correct bucket\.kmsKey"):
        store("sse-kms", "k7").put("a/key", b"content")
    with pytest.raises(RefusedError, match=r"correct bucket\.serverSideEncryption"):
        store("sse-s3").put("a/key", b"content")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"server_side_encryption": "sse-kms"}, "kmsKey is required"),
        ({"kms_key": "k1"}, "with serverSideEncryption sse-kms only"),
        ({"ca_bundle": _BUNDLE}, "only for an endpoint with https://"),
    ],
)
def test_fields_that_do_not_fit_are_refused(bucket: BackupBucket, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        BackupBucket.model_validate(bucket.model_dump(by_alias=False) | fields)


@pytest.mark.parametrize(("code", "message"), [("InvalidAccessKeyId", "kms-keyid: k7"), ("KMS.DisabledException", "")])
def test_key_that_the_store_may_not_use_is_no_wrong_access_key(
    bucket_store: BucketStore, code: str, message: str
) -> None:
    answer = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": 403}}

    with pytest.raises(RefusedError, match=r"correct bucket\.kmsKey"), bucket_store.explained("write a/key"):
        raise ClientError(cast("Any", answer), "PutObject")
