"""Ceph's object gateway, on a cluster of one monitor and one disk in memory."""

import subprocess
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from dev.toolchain.extracted_packages import ExtractedPackages
from tests.fixtures_postgres import free_port

_CEPH = ExtractedPackages("ceph", "trixie", ("ceph-mon", "ceph-osd", "radosgw"))
# Nothing is stored twice, nobody has to sign in to the cluster itself, and its changes are agreed upon at once.
_SETTINGS = """
[global]
fsid = {identity}
monmap = {folder}/monmap
public addr = 127.0.0.1
ms bind msgr2 = false
auth cluster required = none
auth service required = none
auth client required = none
paxos propose interval = 0.05
osd pool default size = 1
osd pool default pg num = 1
mon allow pool size one = true
mon data avail crit = 1
mon cluster log to file = false
osd objectstore = memstore
memstore device bytes = 4294967296
osd class dir = {libraries}/rados-classes
osd erasure code plugins =
plugin dir = {libraries}/ceph
mon data = {folder}/mon
osd data = {folder}/osd
log file = {folder}/$name.log
run dir = {folder}
admin socket = {folder}/$name.asok
keyring = {folder}/keyring
rgw frontends = beast endpoint=127.0.0.1:{gateway_port}
rgw crypt require ssl = false
rgw crypt s3 kms backend = testing
rgw crypt s3 kms encryption keys = k1=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=
"""


class CephCluster:
    """A cluster that keeps its files in `folder`; its data are gone when it ends."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        # What has to end with these tests, killed ones too, ends with the thread that started it.
        self._starter = ThreadPoolExecutor(1)
        self.gateway_port = free_port()

    def start(self, access_key: str, secret_key: str) -> None:
        """Start monitor and disk, and make one user with these keys."""
        identity, monitor = str(uuid.uuid4()), f"[v1:127.0.0.1:{free_port()}]"
        settings = _SETTINGS.format(
            identity=identity,
            libraries=_CEPH.libraries,
            folder=self._folder,
            gateway_port=self.gateway_port,
        )
        self._file("ceph.conf").write_text(settings)
        self._file("keyring").touch()
        for name in ("mon", "osd"):
            self._file(name).mkdir()
        self._run("monmaptool", "--create", "--fsid", identity, "--addv", "a", monitor, self._file("monmap"))
        self._run("ceph-mon", "--mkfs", "-i", "a", "--keyring", self._file("keyring"))
        self._start("ceph-mon", "-i", "a")
        self._run("ceph-osd", "--mkfs", "-i", "0", "--osd-uuid", str(uuid.uuid4()))
        self._start("ceph-osd", "-i", "0")
        keys = ("--access-key", access_key, "--secret-key", secret_key)
        self._run("radosgw-admin", "user", "create", "--uid", "tests", "--display-name", "tests", *keys)

    def start_gateway(self) -> None:
        """Start it; it answers a little later."""
        self._start("radosgw", "-n", "client.rgw")

    def stop_gateway(self) -> None:
        """End it and wait for that; what it stored is kept."""
        self._stop("radosgw")

    def stop(self) -> None:
        """End everything and wait for that."""
        for program in reversed(list(self._processes)):
            self._stop(program)
        self._starter.shutdown()

    def _file(self, name: str) -> Path:
        return self._folder / name

    def _command(self, program: str) -> list[str | Path]:
        return [*_CEPH.command(program), "--conf", self._file("ceph.conf"), "--no-mon-config"]

    def _run(self, program: str, *arguments: str | Path) -> None:
        with self._file("commands.log").open("ab") as log:
            subprocess.run([*self._command(program), *arguments], check=True, timeout=60, stdout=log, stderr=log)

    def _start(self, program: str, *arguments: str | Path) -> None:
        command = ["setpriv", "--pdeathsig", "KILL", *self._command(program), *arguments, "--foreground"]
        with self._file(f"{program}.log").open("ab") as log:
            started = self._starter.submit(subprocess.Popen[bytes], command, stdout=log, stderr=log)
            self._processes[program] = started.result()

    def _stop(self, program: str) -> None:
        process = self._processes.pop(program, None)
        if process is not None:
            process.terminate()
            process.wait(timeout=20)


@contextmanager
def ceph_cluster(folder: Path, access_key: str, secret_key: str) -> Iterator[CephCluster]:
    """Cluster whose gateway is yet to be started; ends with the block."""
    cluster = CephCluster(folder)
    try:
        cluster.start(access_key, secret_key)
        yield cluster
    finally:
        cluster.stop()
