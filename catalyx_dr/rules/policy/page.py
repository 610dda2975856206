"""The page that documents every rule of the policy (docs/policy.md), written from the rules themselves."""

from catalyx_dr.rules.policy.finding import RuleText
from catalyx_dr.rules.policy.registry import rule_texts

_FAMILIES = (
    (0, "Halves and databases"),
    (10, "Schedules"),
    (20, "What is kept"),
    (30, "Copies outside the cluster"),
    (40, "The backup volume"),
    (50, "Settings"),
    (60, "Recoveries"),
    (70, "Validators beside each other"),
    (80, "Changes"),
    (90, "The cluster, and waivers"),
    (100, "Proofs"),
)
_HEAD = """# Policy

Every rule that a stack file is judged by, with a stable id. An **error** stops `pulumi preview`, `pulumi up` and
`catalyx-dr review`; a **warning** is shown. Each finding names the place in the file, what was found, the way out and
the rule's source.

Rules 080 to 089 compare a stack file with the version before (`catalyx-dr review --base`, or what
`pulumi preview --json` says). Rules 090 to 093 need a cluster: `catalyx-dr review --cluster` fails on their errors, a
preview only shows them where the cluster can be reached, so that nothing that is missing there ever holds up a
recovery. All others need nothing but the file.

An error is lowered to a warning only with a written reason, which the review shows; a warning is raised by its id:

```yaml
catalyx-dr:waivers:
  - finding: DR036
    validator: acme          # leave out: wherever it is found
    reason: The store has no object lock until it is moved in March.
catalyx-dr:raised: [DR010]
```

The same rules are a Pulumi policy pack, for stacks whose program is not trusted to stop by itself:
`pulumi preview --policy-pack policy_pack`.

Sources: the **vendor guide** is "Validator Backups and Identity Dumps" of CatalyX Blockchain Manager 1.11; the **Splice
documentation** is that of its repository `canton-network/splice`, `docs/src/validator_operator/`:
`validator_backups.rst`, `validator_disaster_recovery.rst` and `validator_helm.rst`.

This page is generated from the rules: `make schema`.
"""


def policy_page() -> str:
    """Markdown of the whole page."""
    parts = [_HEAD, *_summary()]
    for start, title in _FAMILIES:
        parts.append(f"\n## {title}\n")
        parts += [_section(text) for text in rule_texts() if start <= int(text.id[2:]) < start + 10]
    return "\n".join(parts)


def _summary() -> list[str]:
    rows = [f"| [{text.id}](#{text.id.lower()}) | {text.title} | {text.severity} |" for text in rule_texts()]
    return ["| id | rule | severity |", "| --- | --- | --- |", *rows]


def _section(text: RuleText) -> str:
    return f"### {text.id}\n\n**{text.title}** — {text.severity}.\n\n{text.why}\n\nSource: {text.source}.\n"
