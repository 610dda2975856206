"""Files of the repository that are written from the code: `python -m dev.generated_files` rewrites them."""

import json
from pathlib import Path

from catalyx_dr.rules.policy.page import policy_page
from catalyx_dr.rules.stack_schema import stack_schema

ROOT = Path(__file__).resolve().parents[1]


def contents() -> dict[Path, str]:
    """Text that every generated file must have."""
    return {
        ROOT / "docs" / "policy.md": policy_page(),
        ROOT / "stacks" / "schema.json": json.dumps(stack_schema(), indent=2, ensure_ascii=False) + "\n",
    }


def main() -> None:
    """Write them all."""
    for path, text in contents().items():
        path.write_text(text, encoding="utf-8")
        print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
