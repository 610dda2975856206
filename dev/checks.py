"""What `make check` checks: format, lint, types, import contracts, dead code."""

import subprocess
import sys
import time
from pathlib import Path

_BIN = Path(sys.executable).parent
CHECKS = {
    "format": ("ruff", "format", "--check", "--quiet", "."),
    "lint": ("ruff", "check", "--quiet", "--output-format=concise", "."),
    "types": ("mypy", "--no-error-summary"),
    "imports": ("lint-imports", "--no-cache"),
    "dead code": ("vulture",),
}
ADVICE = {"format": "run ruff format .", "lint": "ruff check --fix . mends some of it"}


def main() -> int:
    """Run every check; 1 when one failed."""
    failed = []
    for name, (program, *arguments) in CHECKS.items():
        begun = time.monotonic()
        ended = subprocess.run([_BIN / program, *arguments], capture_output=True, text=True, check=False)
        took = f"{time.monotonic() - begun:.1f} s"
        if ended.returncode == 0:
            print(f"  {name}: ok ({took})", flush=True)
            continue
        failed.append(name)
        print(f"  {name}: FAILED ({took})\n{ended.stdout}{ended.stderr}{ADVICE.get(name, '')}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
