"""The root file system under every image: a minimal Debian from Debian's own packages."""

import shutil
from pathlib import Path

from dev.cache_folder import cache_folder, content_key, only_one
from dev.steps import step

SUITE = "trixie"
# Beside the suite itself, from the same mirror: folder and suite.
UPDATES = (("debian", f"{SUITE}-updates"), ("debian-security", f"{SUITE}-security"))
# What is added later is as slim as the base: dpkg leaves these out.
LEFT_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/info/*", "/usr/share/locale/*",
            "/usr/share/lintian/*", "/usr/share/bug/*")  # fmt: skip
EMPTIED = ("usr/share/doc", "usr/share/man", "usr/share/info", "usr/share/locale", "usr/share/lintian",
           "usr/share/bug", "var/lib/apt/lists", "var/cache/apt", "var/cache/debconf", "var/log", "dev",
           "tmp", "var/tmp")  # fmt: skip


def base_filesystem() -> Path:
    """The archive (tar) of the base root file system, made when the cache has none of this recipe.

    Raises StepError when debootstrap cannot make it.
    """
    key = content_key([SUITE, *(suite for _, suite in UPDATES), *LEFT_OUT, *EMPTIED])
    archive = cache_folder("filesystems") / f"debian-{SUITE}-{key}.tar"
    if archive.exists():
        return archive
    with only_one("base-filesystem"):
        return archive if archive.exists() else _make(archive)


def _make(archive: Path) -> Path:
    root = archive.with_suffix(".root")
    advice = "See whether Debian's mirror (the log names it) can be reached, and run again."
    with step(f"make a minimal Debian {SUITE} (about a minute)", "base-filesystem", advice) as making:
        shutil.rmtree(root, ignore_errors=True)
        making.run(["nice", "debootstrap", "--variant=minbase", SUITE, root])
        _slim(root)
        unfinished = archive.with_suffix(".new")
        making.run(["tar", "--sort=name", "--mtime=@0", "--numeric-owner", "-C", root, "-cf", unfinished, "."])
        unfinished.rename(archive)
        shutil.rmtree(root)
    return archive


def _slim(root: Path) -> None:
    _add_updates(root / "etc/apt/sources.list")
    (root / "etc/apt/apt.conf.d/slim").write_text('APT::Install-Recommends "false";\nAcquire::Languages "none";\n')
    (root / "etc/dpkg/dpkg.cfg.d/slim").write_text("".join(f"path-exclude={path}\n" for path in LEFT_OUT))
    for name in EMPTIED:
        for entry in (root / name).iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()
    (root / "var/cache/apt/archives/partial").mkdir(parents=True)
    (root / "var/lib/apt/lists/partial").mkdir(parents=True)
    (root / "var/log/apt").mkdir()
    for name in ("etc/hostname", "etc/resolv.conf", "etc/machine-id"):
        (root / name).write_text("")


def _add_updates(sources: Path) -> None:
    """Complete what debootstrap wrote, `deb <mirror>/debian <suite> main`; packages are verified by signature."""
    _, mirror, _, component = sources.read_text().split()
    lines = [
        f"deb {mirror.rstrip('/').removesuffix('/debian')}/{folder} {suite} {component}" for folder, suite in UPDATES
    ]
    sources.write_text("\n".join([sources.read_text().rstrip(), *lines, ""]))
