"""pgBackRest, a peer: from Debian's packages, extracted into the cache and run with the libraries it was built for."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Any
from urllib.parse import urlsplit

from bench.canton_server import Validator
from dev.cache_folder import content_key, only_one, shared_folder
from dev.steps import step
from tests.fixtures_bucket import ACCESS_KEY, SECRET_KEY

_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
_SUITE = "trixie"  # The first with a pgBackRest that knows PostgreSQL 17.
_PACKAGES = (
    "pgbackrest", "libc6", "libbz2-1.0", "liblz4-1", "libpq5", "libssl3t64", "libxml2", "libzstd1", "zlib1g",
    "libssh2-1t64", "liblzma5", "libgssapi-krb5-2", "libkrb5-3", "libkrb5support0", "libk5crypto3", "libcom-err2",
    "libkeyutils1", "libldap2", "libsasl2-2", "libunistring5", "libidn2-0", "libicu76", "libstdc++6", "libgcc-s1",
)  # fmt: skip


@dataclass(frozen=True)
class PgBackRest:
    """A repository for the server of `validator`; `kept` is where its files come to lie."""

    program: Path
    folder: Path
    kept: Path

    @classmethod
    def on_disk(cls, validator: Validator) -> "PgBackRest":
        """As its users begin: files, not encrypted."""
        folder = _new_folder(validator, "pgbackrest")
        return cls._prepared(validator, folder, folder / "repository", {"repo1-path": folder / "repository"})

    @classmethod
    def at_store(cls, validator: Validator) -> "PgBackRest":
        """What our backups do too: encrypted, and sent to the same store."""
        folder, store = _new_folder(validator, "pgbackrest-store"), validator.store
        address = urlsplit(store.endpoint)
        settings = {
            "repo1-type": "s3",
            "repo1-path": "/pgbackrest",
            "repo1-s3-bucket": "backups",
            "repo1-s3-endpoint": address.hostname,
            "repo1-s3-region": "us-east-1",
            "repo1-s3-uri-style": "path",
            "repo1-s3-key": ACCESS_KEY,
            "repo1-s3-key-secret": SECRET_KEY,
            "repo1-storage-port": address.port,
            "repo1-storage-ca-file": store.trusted,
            "repo1-cipher-type": "aes-256-cbc",
            "repo1-cipher-pass": token_hex(32),
        }
        return cls._prepared(validator, folder, store.folder / "data" / "backups" / "pgbackrest", settings)

    @classmethod
    def _prepared(
        cls, validator: Validator, folder: Path, kept: Path, repository: Mapping[str, object]
    ) -> "PgBackRest":
        """Two processes, zstd, no archive of the write-ahead log, which the others lack too."""
        self = cls(_wrapper(folder), folder, kept)
        data = validator.server.data_folder
        settings: dict[str, Mapping[str, object]] = {
            "global": {
                **repository,
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
        newest = max((self.kept / "backup" / "bench").glob("*F"))
        return sum(path.stat().st_size for path in newest.rglob("*") if path.is_file())

    def _command(self, *words: str) -> list[str | Path]:
        return [self.program, f"--config={self.folder / 'pgbackrest.conf'}", "--stanza=bench", *words]


def _new_folder(validator: Validator, name: str) -> Path:
    folder = validator.folder / name
    folder.mkdir()
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres")
    return folder


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
