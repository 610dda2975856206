"""`make bench`, or `python -m bench SUBJECT...`: run the subjects, all by default."""

import importlib
import os
import sys

_SUBJECTS = ("backup", "restore", "preview")


def main() -> int:
    """Run each subject; 2 for one that does not exist."""
    wanted = sys.argv[1:] or list(_SUBJECTS)
    unknown = sorted(set(wanted) - set(_SUBJECTS))
    if unknown:
        print(f"no subject {', '.join(unknown)}; there are: {', '.join(_SUBJECTS)}", file=sys.stderr)
        return 2
    # Ours is compiled where it is used: Python does it on a machine, the recipe in the image.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    for subject in wanted:
        importlib.import_module(f"bench.{subject}").run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
