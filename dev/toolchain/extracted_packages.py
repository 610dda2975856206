"""Programs of a Debian release, extracted into the cache with the libraries that they were built for, not installed."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from dev.cache_folder import content_key, only_one, shared_folder
from dev.steps import step

_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


@dataclass(frozen=True)
class ExtractedPackages:
    """Packages of a release, and what apt finds that they need, down to the C library."""

    name: str
    release: str
    packages: tuple[str, ...]

    @property
    def libraries(self) -> Path:
        """Folder of the libraries; everything is fetched when it is not in the cache yet. Raises StepError."""
        return self._root() / "usr" / "lib" / "x86_64-linux-gnu"

    def command(self, program: str) -> list[str | Path]:
        """Beginning of the command that runs a program by these libraries alone."""
        private = self.libraries / self.name
        loader = self.libraries / "ld-linux-x86-64.so.2"
        return [loader, "--library-path", f"{self.libraries}:{private}", self._root() / "usr" / "bin" / program]

    def _root(self) -> Path:
        root = shared_folder("extracted") / f"{self.name}-{content_key([self.release, *self.packages])}"
        if not root.exists():
            with only_one(self.name):
                if not root.exists():
                    self._extract(root)
        return root

    def _extract(self, root: Path) -> None:
        apt, unfinished = root.with_name(f"{root.name}.apt"), root.with_name(f"{root.name}.new")
        shutil.rmtree(unfinished, ignore_errors=True)
        environment = {**os.environ, "APT_CONFIG": str(self._configured(apt))}
        advice = "See whether Debian's mirror can be reached, and run again."
        with step(f"fetch {self.name}", self.name, advice) as fetch:
            fetch.run(["apt-get", "update", "-q"], environment=environment)
            wanted = ("--no-install-recommends", *self.packages)
            fetch.run(["apt-get", "install", "-q", "-y", "--download-only", *wanted], environment=environment)
            for package in sorted(apt.glob("var/cache/apt/archives/*.deb")):
                fetch.run(["dpkg-deb", "-x", package, unfinished])
        shutil.rmtree(unfinished / "usr" / "share")
        shutil.rmtree(apt)
        unfinished.rename(root)

    def _configured(self, apt: Path) -> Path:
        """Configuration of an apt that knows one release, and no package as installed."""
        for name in ("etc/apt/apt.conf.d", "etc/apt/preferences.d", "var/lib/apt/lists/partial", "var/lib/dpkg",
                     "var/cache/apt/archives/partial"):  # fmt: skip
            (apt / name).mkdir(parents=True, exist_ok=True)
        (apt / "var/lib/dpkg/status").touch()
        (apt / "etc/apt/sources.list").write_text(
            f"deb [signed-by={_KEYRING}] http://deb.debian.org/debian {self.release} main\n"
        )
        configuration = apt / "apt.conf"
        configuration.write_text(
            f'Dir "{apt}";\nDir::State::status "{apt}/var/lib/dpkg/status";\nAPT::Sandbox::User "root";\n'
            'APT::Architecture "amd64";\n'
        )
        return configuration
