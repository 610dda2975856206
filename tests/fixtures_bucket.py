"""Real S3-compatible stores with versioning and object lock: versitygw, Ceph for what any store must do, AWS's like."""

import os
import subprocess
import tempfile
from abc import ABC, abstractmethod
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
from tests.ceph_cluster import CephCluster, ceph_cluster
from tests.fixtures_postgres import free_port
from tests.localstack import start_localstack

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ACCESS_KEY, SECRET_KEY = "root", "root-secret"
STORE_SECRET = "backup-store"  # noqa: S105 - a name
EVERY_STORE = pytest.mark.parametrize("s3_server", ["versitygw", "ceph"], indirect=True)
LIKE_AWS = pytest.mark.parametrize("s3_server", ["like_aws"], indirect=True)
AND_LIKE_AWS = pytest.mark.parametrize("s3_server", ["versitygw", "ceph", "like_aws"], indirect=True)


class S3Server(ABC):
    """A store whose root has these tests' keys; `trusted` are authorities: then it is TLS."""

    def __init__(self, port: int, trusted: Path | None = None) -> None:
        self._port = port
        self.trusted = trusted

    @property
    def endpoint(self) -> str:
        """Address of the store."""
        return f"{'https' if self.trusted else 'http'}://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        self._launch()
        retry(stop=stop_after_delay(20), wait=wait_fixed(0.05), reraise=True)(self.client().list_buckets)()

    @abstractmethod
    def stop(self) -> None:
        """End it, if it runs, and wait for that; what it stored is kept."""

    @abstractmethod
    def _launch(self) -> None:
        """Start it."""

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


class Versitygw(S3Server):
    """One store with data below `folder`; `options` are its own."""

    def __init__(self, folder: Path, options: tuple[str | Path, ...] = (), trusted: Path | None = None) -> None:
        super().__init__(free_port(), trusted)
        self.folder = folder
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None
        for name in ("data", "versions"):
            (folder / name).mkdir()
        self.start()

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=20)
            self._process = None

    def _launch(self) -> None:
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


class Ceph(S3Server):
    """The gateway of a cluster, which runs as long as the cluster does."""

    def __init__(self, cluster: CephCluster) -> None:
        super().__init__(cluster.gateway_port)
        self._cluster = cluster
        self.start()

    def stop(self) -> None:
        self._cluster.stop_gateway()

    def _launch(self) -> None:
        self._cluster.start_gateway()


class LikeAws(S3Server):
    """LocalStack, which forgets everything when it is stopped."""

    def __init__(self, folder: Path) -> None:
        super().__init__(free_port())
        self._folder = folder
        self.start()

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()

    def _launch(self) -> None:
        self._process = start_localstack(self._folder, self._port)


def _until_stopped(server: S3Server) -> Iterator[S3Server]:
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def versitygw(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    yield from _until_stopped(Versitygw(tmp_path_factory.mktemp("versitygw")))


@pytest.fixture(scope="session")
def ceph() -> Iterator[S3Server]:
    # Below /tmp itself: names of its sockets have a limit.
    with (
        tempfile.TemporaryDirectory(prefix="catalyx-dr-ceph-") as folder,
        ceph_cluster(Path(folder), ACCESS_KEY, SECRET_KEY) as cluster,
    ):
        yield Ceph(cluster)


@pytest.fixture(scope="session")
def like_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    yield from _until_stopped(LikeAws(tmp_path_factory.mktemp("like-aws")))


@pytest.fixture
def s3_server(request: pytest.FixtureRequest) -> S3Server:
    """The store of a test: versitygw, or all in turn for those that are marked so."""
    server: S3Server = request.getfixturevalue(getattr(request, "param", "versitygw"))
    return server


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
