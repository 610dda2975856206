"""Debian packages that the local platform needs: installed when they are missing."""

import os
import shutil
import subprocess
from collections.abc import Iterable

from dev.cache_folder import only_one
from dev.steps import StepError, step

NODE_PACKAGES = (
    "ca-certificates",
    "containerd",
    "containernetworking-plugins",
    "iproute2",
    "nftables",
    "openssl",
    "runc",
    "xfsprogs",
)
IMAGE_PACKAGES = ("buildah", "ca-certificates", "debootstrap", "gcc", "libc6-dev", "runc")
KEYCLOAK_PACKAGES = ("maven",)


def ensure_packages(names: Iterable[str]) -> None:
    """Install those of the named packages that are missing.

    Raises StepError when the machine has no dpkg, when the user may not install, or when apt fails.
    """
    missing = _missing(sorted(set(names)))
    if not missing:
        return
    words = " ".join(missing)
    if shutil.which("apt-get") is None:
        raise StepError(f"This machine has no apt-get. Provide what Debian packages as: {words}.")
    if os.geteuid() != 0:
        raise StepError(f"Debian packages are missing: run `sudo apt-get install {words}`, then run again.")
    advice = f"Run `apt-get update && apt-get install {words}` by hand and look at what it says."
    with only_one("apt"), step(f"install {words}", "apt", advice) as installing:
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        # An unreachable source of somebody else's must not end this: the install itself tells what is missing.
        subprocess.run(
            ["apt-get", "update", "-q"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=installing.log.open("ab"),
            stderr=subprocess.STDOUT,
            check=False,
        )
        installing.run(["apt-get", "install", "-q", "-y", "--no-install-recommends", *missing], environment=environment)


def _missing(names: list[str]) -> list[str]:
    if shutil.which("dpkg-query") is None:
        return names
    answer = subprocess.run(
        ["dpkg-query", "-W", "-f", "${db:Status-Abbrev} ${Package}\\n", *names],
        capture_output=True,
        text=True,
        check=False,  # ends with 1 when a package is unknown, which is an answer here
    )
    installed = {line.split()[1] for line in answer.stdout.splitlines() if line.startswith("ii")}
    return [name for name in names if name not in installed]
