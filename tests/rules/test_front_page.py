"""The stack file on the front page is one in which the rules find nothing."""

import re
from datetime import UTC, datetime
from textwrap import dedent

import yaml
from pyrage import x25519

from catalyx_dr.rules.environments import load_environment
from catalyx_dr.rules.policy import findings
from dev.cache_folder import PROJECT_ROOT


def test_nothing_is_found_in_the_stack_file() -> None:
    page = (PROJECT_ROOT / "README.md").read_text()
    (block,) = re.findall(r"^ *```yaml\n(.*?)^ *```", page, re.MULTILINE | re.DOTALL)
    for _ in range(block.count("age1…")):
        block = block.replace("age1…", str(x25519.Identity.generate().to_public()), 1)
    config = yaml.safe_load(dedent(block))["config"]
    spec = load_environment({key.removeprefix("catalyx-dr:"): value for key, value in config.items()})
    assert findings(spec, datetime(2026, 3, 1, 12, tzinfo=UTC)) == ()
