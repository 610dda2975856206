"""promtool, Prometheus' own checker of rules: taken out of Debian's package, so that no server is installed."""

import subprocess
from pathlib import Path

from dev.cache_folder import cache_folder, only_one
from dev.steps import step

_PACKAGE = "prometheus"


def promtool() -> Path:
    """The program, downloaded when it is not in the cache yet; raises StepError when that fails."""
    folder = cache_folder("tools", "promtool")
    program = folder / "usr" / "bin" / "promtool"
    if program.exists():
        return program
    advice = f"Run `apt-get update && apt-get download {_PACKAGE}` by hand and look at what it says."
    with only_one("apt"), step("download promtool", "promtool", advice) as downloading:
        # As in an install: somebody else's unreachable source is no reason to end.
        subprocess.run(["apt-get", "update", "-q"], stdin=subprocess.DEVNULL, capture_output=True, check=False)
        downloading.run(["apt-get", "download", _PACKAGE], cwd=folder)
        (package,) = folder.glob(f"{_PACKAGE}_*.deb")
        downloading.run(["dpkg-deb", "--extract", str(package), str(folder)])
        package.unlink()
    return program
