"""LocalStack's S3, which is checked against recorded answers of AWS; it takes any access key, and nobody's policy."""

import os
import subprocess
from pathlib import Path

from dev.cache_folder import PROJECT_ROOT

_PACKAGES = "requirements/localstack.lock"
# It keeps to this machine, and to one folder.
_SETTINGS = {
    "SERVICES": "s3",
    "DISABLE_EVENTS": "1",
    "SKIP_SSL_CERT_DOWNLOAD": "1",
    "DNS_ADDRESS": "0",
    "GATEWAY_SERVER": "hypercorn",
}


def start_localstack(folder: Path, port: int) -> subprocess.Popen[bytes]:
    """Start it on this port of the loopback; it answers some seconds later, and forgets all when killed."""
    found = subprocess.run(
        [PROJECT_ROOT / "dev" / "python_environment.sh", "--of", _PACKAGES],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    places = {"GATEWAY_LISTEN": f"127.0.0.1:{port}", "FILESYSTEM_ROOT": str(folder), "TMPDIR": str(folder)}
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", found.stdout.strip(), "-m", "localstack.runtime.main"],
            cwd=folder,
            env={"PATH": os.environ["PATH"], "HOME": str(folder), **_SETTINGS, **places},
            stdout=log,
            stderr=log,
        )
