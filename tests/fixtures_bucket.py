"""A real S3-compatible store, versitygw, with versioning and object lock."""

import os
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.config import Config
from tenacity import retry, stop_after_delay, wait_fixed

from catalyx_dr.adapters.bucket_store import BucketStore
from catalyx_dr.adapters.secret_files import SecretFiles
from catalyx_dr.model.bucket import BackupBucket, BucketCredentials
from catalyx_dr.model.retention import Retention
from dev.toolchain.go_tools import VERSITYGW
from tests.fixtures_postgres import free_port

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ACCESS_KEY, SECRET_KEY = "root", "root-secret"
STORE_SECRET = "backup-store"  # noqa: S105 - a name


class S3Server:
    """One store with data below `folder`; `options` are versitygw's own, `trusted` are authorities: then it is TLS."""

    def __init__(self, folder: Path, options: tuple[str | Path, ...] = (), trusted: Path | None = None) -> None:
        self.folder = folder
        self._options = options
        self.trusted = trusted
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        for name in ("data", "versions"):
            (folder / name).mkdir()
        self.start()

    @property
    def endpoint(self) -> str:
        """Address of the store."""
        return f"{'https' if self.trusted else 'http'}://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        program = VERSITYGW.build()
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    program,
                    *("--port", f"127.0.0.1:{self._port}", "--access", ACCESS_KEY, "--secret", SECRET_KEY),
                    *self._options,
                    *("posix", "--versioning-dir", self.folder / "versions", self.folder / "data"),
                ],
                stdout=log,
                stderr=log,
            )
        retry(stop=stop_after_delay(20), wait=wait_fixed(0.05), reraise=True)(self.client().list_buckets)()

    def stop(self) -> None:
        """End it and wait for that."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=20)
            self._process = None

    def client(self) -> "S3Client":
        """Client with the root credentials."""
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            verify=str(self.trusted) if self.trusted else None,
            config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
        )


class GivenStore(S3Server):
    """A store that runs already, of another make, whose administrator has the same keys."""

    def __init__(self, endpoint: str) -> None:
        self._given = endpoint
        self.trusted = None

    @property
    def endpoint(self) -> str:
        """Address of the store."""
        return self._given

    def start(self) -> None:
        """It is not ours to start."""
        pytest.skip("the store is given")

    def stop(self) -> None:
        """Nor to stop."""


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """The store: versitygw, or the one whose endpoint CATALYX_DR_TEST_S3 names."""
    if given := os.environ.get("CATALYX_DR_TEST_S3"):
        yield GivenStore(given)
        return
    server = S3Server(tmp_path_factory.mktemp("s3"))
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def bucket(s3_server: S3Server, request: pytest.FixtureRequest) -> BackupBucket:
    """An empty versioned bucket of the test's own."""
    name = f"test-{abs(hash((request.node.nodeid, os.getpid()))):x}"
    s3_server.client().create_bucket(Bucket=name)
    s3_server.client().put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return declared_bucket(s3_server, name)


def declared_bucket(server: S3Server, name: str, **more: object) -> BackupBucket:
    """Declaration of a bucket in the store."""
    fields: dict[str, object] = {
        "name": name,
        "provider": "s3-compatible",
        "endpoint": server.endpoint,
        "credentials": BucketCredentials(secret=STORE_SECRET),
        "retention": Retention(keep=2),
        "outage_patience": timedelta(seconds=1),
    }
    return BackupBucket.model_validate(fields | more)


@pytest.fixture
def bucket_store(bucket: BackupBucket, secrets: SecretFiles) -> BucketStore:
    return BucketStore.reach(bucket, secrets)
