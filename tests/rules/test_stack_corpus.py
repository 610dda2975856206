"""Good and broken stack files (tests/rules/stacks): every fault and every finding exactly as the file says."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from catalyx_dr.model.errors import SpecError
from catalyx_dr.rules.environments import load_environment
from catalyx_dr.rules.policy import findings
from catalyx_dr.rules.policy.finding import Finding
from catalyx_dr.rules.policy.registry import RULES
from tests.rules.stack_corpus import BAD, GOOD, bad, good

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def case_of(path: Path) -> dict[str, Any]:
    case: dict[str, Any] = yaml.safe_load(path.read_text())
    return case


def told(finding: Finding) -> str:
    waived = f" [waived: {finding.waived}]" if finding.waived else ""
    return f"{finding.severity} {finding.id} {finding.path}: {finding.reason}{waived}"


def with_faults(path: Path) -> bool:
    return "faults" in case_of(path)


@pytest.mark.parametrize("name", GOOD)
def test_good_stack_is_read_and_nothing_is_found(name: str) -> None:
    assert [told(finding) for finding in findings(load_environment(good(name)), NOW)] == []


@pytest.mark.parametrize("path", [path for path in BAD if with_faults(path)], ids=lambda path: path.stem)
def test_faults_of_a_bad_stack_are_told_by_path_value_and_what_is_allowed(path: Path) -> None:
    case = case_of(path)
    with pytest.raises(SpecError) as error:
        load_environment(bad(case))
    assert sorted(str(error.value).splitlines()) == sorted(case["faults"])


@pytest.mark.parametrize("path", [path for path in BAD if not with_faults(path)], ids=lambda path: path.stem)
def test_findings_of_a_bad_stack_are_those_it_names(path: Path) -> None:
    case = case_of(path)
    found = findings(load_environment(bad(case)), NOW)
    assert sorted(map(told, found)) == sorted(case["findings"])
    assert all(finding.remedy and finding.rule.source for finding in found)


def test_every_rule_over_a_stack_file_has_a_file_that_breaks_it() -> None:
    broken = {line.split()[1] for path in BAD for line in case_of(path).get("findings", ())}
    assert {rule.text.id for rule in RULES} - broken == set()
