"""Reviews of changed stack files as a pull request shows them; `make goldens` rewrites them."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from catalyx_dr.model.errors import SpecError
from catalyx_dr.model.quantity import Quantity
from catalyx_dr.rules.encrypted_values import load_unopened
from catalyx_dr.rules.policy import ClusterFacts
from catalyx_dr.rules.recovery import RequestSight
from catalyx_dr.rules.review import Base, Review, judged, page, refused_page
from catalyx_dr.rules.review.engine_preview import read_preview
from catalyx_dr.rules.review.stack_review import Observed
from tests.rules.stack_corpus import bad

FOLDER = Path(__file__).parent / "reviews"
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
OBSERVED = Observed(
    ClusterFacts(
        secrets={"canton-acme": {"postgres-secrets": frozenset({"password"})}},
        storage_classes={"gp3": False},
        workloads={"canton-acme": frozenset({"deployment/validator-app"})},
        other_backups={"canton-acme": ("the Velero schedule nightly", "3 VolumeSnapshots")},
    ),
    {"acme": Quantity.parse("600Gi")},
    unanswered="backups of other tools, which the identity in use may not read",
)
# What differs from tests/rules/stacks/good/<base>.yaml before and after the change, and what else the review is given.
CASES: dict[str, dict[str, Any]] = {
    "more-often-and-more-room": {
        "before": {"set": {"validators[0].backup.cron": "0 */6 * * *"}},
        "after": {
            "set": {
                "validators[0].backup.volume.retention": {"keep": 10, "daily": 3},
                "validators[0].databases.participant.storage": "60Gi",
                "validators[1].backup.timeZone": "Europe/Berlin",
                "validators[1].encryption.recipients": [
                    "age17lpfjcd9h4mlp9n8mff9de49p8cja63zrvs5sjd9zdu0rzpfdevq2sv24x",
                    "age1kr6s85mqpwgeyvllacad4tfn5mrvelu549jqn0hgd98wep4pzg5qmv7495",
                ],
            }
        },
    },
    "data-loss": {
        "after": {
            "set": {
                "validators[0].backup.volume.storageClass": "gp2",
                "validators[0].backup.bucket.name": "acme-backups-2",
                "waivers": [
                    {"finding": "DR081", "validator": "acme", "reason": "Its objects | were copied <b>last</b> week."}
                ],
            },
            "remove": ["validators[1]"],
        },
    },
    "recoveries": {
        "base": "recoveries",
        "before": {"remove": ["restore", "identityImport"]},
        "after": {
            "set": {
                "restore.inPlace": True,
                "restore.overrides": [{"verdict": "set-age", "reason": "Sequencers were asked to keep more."}],
            }
        },
    },
    "recoveries-looked-up": {
        "base": "recoveries",
        "before": {"remove": ["restore", "identityImport"]},
        "after": {"set": {"restore.set": "latest"}},
        "observed": Observed(
            requests={
                "restore": RequestSight("20261124t081500z"),
                "identity_import": RequestSight(problem="there is no proven identity dump"),
            }
        ),
    },
    "recoveries-that-stand": {
        "base": "recoveries",
        "after": {"remove": ["restore"]},
    },
    "restore-of-snapshots": {
        "base": "snapshots",
        "after": {
            "set": {
                "restore": {
                    "validator": "large",
                    "source": "snapshot",
                    "set": "latest before 2026-11-23T06:00:00Z",
                    "requestId": "large-2026-11-24",
                }
            }
        },
    },
    "new-stack": {"base": "critical", "before": None, "after": {}},
    "warnings-and-waivers": {
        "before": None,
        "after": {
            "set": {
                "agent.image": "registry.acme.example/catalyx-dr:latest",
                "validators[0].backup.suspend": True,
                "validators[1].backup.cron": "0 0 31 2 *",
                "waivers": [{"finding": "DR002", "reason": "Maintenance of the store until Friday."}],
            }
        },
    },
    "with-cluster-and-preview": {"after": {}, "observed": OBSERVED, "preview": "preview.json"},
    "encrypted-values": {
        "before": None,
        "after": {
            "set": {
                "validators[0].databases.server.host": {"secure": "v1:AAAA:BBBB"},
                "validators[0].backup.bucket.kmsKey": {"secure": "v1:CCCC:DDDD"},
                "validators[0].partyHint": {"secure": "v1:EEEE:FFFF"},
                "validators[1].backup.bucket.kmsKey": {"secure": "v1:GGGG:HHHH"},
                "validators[1].backup.bucket.name": "acme-backups",
            }
        },
    },
    "broken": {
        "before": None,
        "after": {
            "set": {
                "validators[0].backup.cron": {"secure": "v1:AAAA:BBBB"},
                "validators[0].backup.volume.limit": "1 Ti",
                "validators[1].databases.server.password": "hunter2",
            },
            "remove": ["validators[1].namespace"],
        },
    },
}


def stack(case: dict[str, Any], version: str) -> dict[str, Any]:
    return bad({"base": case.get("base", "production")} | (case.get(version) or {}))


def render(name: str) -> str:
    case = CASES[name]
    try:
        spec, encrypted = load_unopened(stack(case, "after"))
    except SpecError as error:
        return refused_page("prod", str(error).splitlines())
    base = None
    if case.get("before", {}) is not None:
        base = Base("origin/main", "0123456789abcdef", load_unopened(stack(case, "before"))[0])
    document = json.loads((FOLDER / case["preview"]).read_text()) if "preview" in case else None
    preview = read_preview(document, spec) if document else None
    observed = case.get("observed")
    return page(judged(Review("prod", spec, NOW, base, encrypted, preview, observed)))


@pytest.mark.parametrize("name", CASES)
def test_review_reads_as_reviewed(name: str, pytestconfig: pytest.Config) -> None:
    golden = FOLDER / f"{name}.md"
    found = render(name)
    if pytestconfig.getoption("--snapshot-update"):
        golden.write_text(found)
    assert found == golden.read_text(), f"{golden.name} differs; look at the difference, then run make goldens"


def test_no_review_shows_what_is_encrypted_or_secret() -> None:
    pages = "".join(map(render, CASES))
    for secret in ("v1:", "AAAA", "CCCC", "hunter2", "encrypted-"):
        assert secret not in pages


def test_texts_of_a_stack_file_do_not_act_as_markdown() -> None:
    assert r"Its objects \| were copied \<b>last\</b> week." in render("data-loss")
