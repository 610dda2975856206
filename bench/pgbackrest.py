"""pgBackRest, a peer: from Debian's packages, extracted into the cache and run with the libraries it was built for."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.canton_server import Validator
from dev.cache_folder import content_key, only_one, shared_folder
from dev.steps import step

_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
_SUITE = "trixie"  # The first with a pgBackRest that knows PostgreSQL 17.
_PACKAGES = (
    "pgbackrest", "libc6", "libbz2-1.0", "liblz4-1", "libpq5", "libssl3t64", "libxml2", "libzstd1", "zlib1g",
    "libssh2-1t64", "liblzma5", "libgssapi-krb5-2", "libkrb5-3", "libkrb5support0", "libk5crypto3", "libcom-err2",
    "libkeyutils1", "libldap2", "libsasl2-2", "libunistring5", "libidn2-0", "libicu76", "libstdc++6", "libgcc-s1",
)  # fmt: skip


@dataclass(frozen=True)
class PgBackRest:
    """A repository for the server of `validator`."""

    validator: Validator
    program: Path
    folder: Path

    @classmethod
    def prepared(cls, validator: Validator) -> "PgBackRest":
        """Two processes, zstd, no archive of the write-ahead log, which the others lack too."""
        folder = validator.folder / "pgbackrest"
        folder.mkdir()
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres")
        self = cls(validator, _wrapper(folder), folder)
        data = validator.server.data_folder
        settings = {
            "global": {
                "repo1-path": folder / "repository",
                "repo1-retention-full": 1,
                "lock-path": folder,
                "log-path": folder,
                "process-max": 2,
                "compress-type": "zst",
                "start-fast": "y",
                "archive-check": "n",
                "cmd": self.program,
            },
            "bench": {
                "pg1-path": data,
                "pg1-port": validator.server.port,
                "pg1-socket-path": validator.socket,
                "pg1-user": "postgres",
            },
        }
        (folder / "pgbackrest.conf").write_text(
            "".join(
                f"[{section}]\n" + "".join(f"{key}={value}\n" for key, value in values.items())
                for section, values in settings.items()
            )
        )
        subprocess.run(self._command("stanza-create", "--no-online"), check=True, **self.options)
        return self

    @property
    def full_backup(self) -> list[str | Path]:
        """Command of a full backup."""
        return self._command("backup", "--type=full")

    @property
    def options(self) -> dict[str, Any]:
        """It runs as the server's account, since it reads the server's files."""
        return {"user": "postgres" if os.geteuid() == 0 else None, "cwd": "/"}

    @property
    def bytes(self) -> int:
        """Size of the newest backup."""
        newest = max((self.folder / "repository" / "backup" / "bench").glob("*F"))
        return sum(path.stat().st_size for path in newest.rglob("*") if path.is_file())

    def _command(self, *words: str) -> list[str | Path]:
        return [self.program, f"--config={self.folder / 'pgbackrest.conf'}", "--stanza=bench", *words]


def _wrapper(folder: Path) -> Path:
    libraries = _extracted() / "usr" / "lib" / "x86_64-linux-gnu"
    program = folder / "pgbackrest"
    program.write_text(
        f"#!/bin/sh\nexec {libraries}/ld-linux-x86-64.so.2 --library-path {libraries} "
        f'{_extracted()}/usr/bin/pgbackrest "$@"\n'
    )
    program.chmod(0o755)
    return program


def _extracted() -> Path:
    root = shared_folder("bench") / f"pgbackrest-{content_key([_SUITE, *_PACKAGES])}"
    if not root.exists():
        with only_one("pgbackrest"):
            if not root.exists():
                _extract(root)
    return root


def _extract(root: Path) -> None:
    apt = root.with_name(f"{root.name}.apt")
    unfinished = root.with_name(f"{root.name}.new")
    shutil.rmtree(unfinished, ignore_errors=True)
    for name in ("etc/apt/apt.conf.d", "etc/apt/preferences.d", "var/lib/apt/lists/partial", "var/lib/dpkg",
                 "var/cache/apt/archives/partial"):  # fmt: skip
        (apt / name).mkdir(parents=True, exist_ok=True)
    (apt / "var/lib/dpkg/status").touch()
    (apt / "etc/apt/sources.list").write_text(
        f"deb [signed-by={_KEYRING}] http://deb.debian.org/debian {_SUITE} main\n"
    )
    configuration = apt / "apt.conf"
    configuration.write_text(
        f'Dir "{apt}";\nDir::State::status "{apt}/var/lib/dpkg/status";\nAPT::Sandbox::User "root";\n'
        'APT::Architecture "amd64";\n'
    )
    environment = {**os.environ, "APT_CONFIG": str(configuration)}
    with step("fetch pgBackRest", "pgbackrest", "See whether Debian's mirror can be reached, and run again.") as fetch:
        fetch.run(["apt-get", "update", "-q"], environment=environment)
        fetch.run(["apt-get", "download", "-q", *_PACKAGES], environment=environment, cwd=apt)
        for package in sorted(apt.glob("*.deb")):
            fetch.run(["dpkg-deb", "-x", package, unfinished])
    shutil.rmtree(apt)
    unfinished.rename(root)
