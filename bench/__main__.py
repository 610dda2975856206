"""`make bench`, or `python -m bench SUBJECT...`: run the subjects, all by default."""

import importlib
import pkgutil
import sys

import bench

_NOT_SUBJECTS = {"__main__", "rows", "plain_program", "many_validators"}


def main() -> int:
    """Run each subject; 2 for one that does not exist."""
    subjects = [module.name for module in pkgutil.iter_modules(bench.__path__) if module.name not in _NOT_SUBJECTS]
    wanted = sys.argv[1:] or subjects
    unknown = sorted(set(wanted) - set(subjects))
    if unknown:
        print(f"no subject {', '.join(unknown)}; there are: {', '.join(subjects)}", file=sys.stderr)
        return 2
    for subject in wanted:
        importlib.import_module(f"bench.{subject}").run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
