"""Validators of one stack do not get in each other's way."""

from collections.abc import Callable, Iterator

from pydantic.alias_generators import to_camel

from catalyx_dr.model.bucket import BackupBucket
from catalyx_dr.model.databases import DatabaseRole
from catalyx_dr.model.validator_spec import ValidatorSpec
from catalyx_dr.rules.buckets import DECLARATION
from catalyx_dr.rules.policy.finding import Found, Severity, Stack, rule


@rule(
    "DR070",
    "Every database belongs to one validator",
    severity="error",
    why="Two validators on one database mean that one of them names the wrong one; restoring either swaps it away from "
    "the other.",
    source="Splice documentation, Deploying a Validator (databases)",
)
def own_databases(stack: Stack) -> Iterator[Found]:
    """Report databases that two validators name; a host without a dot is one of the validator's own namespace."""
    yield from _shared(stack, "databases", "the database", _databases)


@rule(
    "DR071",
    "Every validator has an identity of its own",
    severity="error",
    why="Party hint and node identifier name one validator on the network. Two that share one would be recovered as "
    "each other.",
    source="Splice documentation, Validator Disaster Recovery",
)
def own_identity(stack: Stack) -> Iterator[Found]:
    """Report party hints and node identifiers that two validators share."""
    yield from _shared(stack, "partyHint", "party hint", lambda validator: (validator.party_hint,))
    yield from _shared(stack, "nodeIdentifier", "node identifier", lambda validator: (validator.node_identifier,))


@rule(
    "DR072",
    "Every workload belongs to one validator",
    severity="error",
    why="A restore stops the validator's workloads before it swaps the databases. A shared name in one namespace would "
    "stop another validator.",
    source="design of this project: scale down, swap, scale up",
)
def own_workloads(stack: Stack) -> Iterator[Found]:
    """Report workloads of one namespace that two validators name."""
    yield from _shared(
        stack,
        "workloads",
        "the workload",
        lambda validator: tuple(f"{workload} in {validator.namespace}" for workload in validator.workloads),
    )


@rule(
    "DR074",
    "Every bootstrap Secret belongs to one validator",
    severity="warning",
    why="An identity import writes its dump there, and the validator reads it when it starts. Another validator that "
    "reads the same Secret would start with a participant that is not its own.",
    source="Splice documentation, Validator Disaster Recovery",
)
def own_bootstrap_secret(stack: Stack) -> Iterator[Found]:
    """Report bootstrap Secrets of one namespace that two validators name, or leave at their default."""
    yield from _shared(
        stack,
        "target.bootstrapSecret",
        "the Secret",
        lambda validator: (f"{validator.target.bootstrap_secret} in {validator.namespace}",),
        Severity.WARNING,
    )


@rule(
    "DR073",
    "Validators that share a bucket declare it alike",
    severity="error",
    why="One bucket has one place, one lock and one key. Declared in two ways, one of the two does not hold: a lock "
    "that a stack file promises is not there.",
    source="design of this project: one bucket, a prefix for each validator",
)
def one_declaration(stack: Stack) -> Iterator[Found]:
    """Report buckets that two validators declare in different ways."""
    first: dict[str, tuple[str, BackupBucket]] = {}
    for path, validator in stack.validators():
        bucket = validator.backup.bucket if validator.backup else None
        if bucket is None:
            continue
        owner, known = first.setdefault(bucket.name, (path, bucket))
        for name in DECLARATION:
            if getattr(bucket, name) != getattr(known, name):
                alias = to_camel(name)
                yield Found(
                    Severity.ERROR,
                    f"{path}.backup.bucket.{alias}",
                    validator.name,
                    f"{alias} of bucket {bucket.name!r} is {getattr(bucket, name) or 'absent'}, but "
                    f"{getattr(known, name) or 'absent'} in '{owner}.backup.bucket'",
                    "give both the same, or name another bucket",
                )


def _databases(validator: ValidatorSpec) -> tuple[str, ...]:
    addresses = []
    for role in DatabaseRole:
        server = validator.databases.server_of(role)
        host = server.host if "." in server.host else f"{server.host}.{validator.namespace}"
        host = host.removesuffix(".svc.cluster.local").removesuffix(".svc")
        addresses.append(f"{validator.databases.of(role).name} at {host}:{server.port}")
    return tuple(dict.fromkeys(addresses))


def _shared(
    stack: Stack,
    place: str,
    what: str,
    names_of: Callable[[ValidatorSpec], tuple[str, ...]],
    severity: Severity = Severity.ERROR,
) -> Iterator[Found]:
    owners: dict[str, str] = {}
    for path, validator in stack.validators():
        for name in names_of(validator):
            if name in owners:
                yield Found(
                    severity,
                    f"{path}.{place}",
                    validator.name,
                    f"{what} {name} is also that of {owners[name]}",
                    "give each validator its own",
                )
            owners.setdefault(name, validator.name)


RULES = (own_databases, own_identity, own_workloads, one_declaration, own_bootstrap_secret)
