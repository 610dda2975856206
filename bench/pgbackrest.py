"""pgBackRest, a peer: from Debian's packages, extracted into the cache and run with the libraries it was built for."""

import os
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Any
from urllib.parse import urlsplit

from bench.canton_server import Validator
from dev.toolchain.extracted_packages import ExtractedPackages
from tests.fixtures_bucket import ACCESS_KEY, SECRET_KEY

# The first release with a pgBackRest that knows PostgreSQL 17.
_PGBACKREST = ExtractedPackages("pgbackrest", "trixie", ("pgbackrest",))


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
    program = folder / "pgbackrest"
    program.write_text(f'#!/bin/sh\nexec {shlex.join(map(str, _PGBACKREST.command("pgbackrest")))} "$@"\n')
    program.chmod(0o755)
    return program
