"""What only a cluster can tell: Secrets, storage classes, workloads, and backups of somebody else (domain 1.6)."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from catalyx_dr.model.validator_spec import ValidatorSpec
from catalyx_dr.rules.policy.finding import Found, RuleText, Severity, Stack


@dataclass(frozen=True)
class ClusterFacts:
    """What was observed, as plain data; a fact that could not be looked up is left out and judged by nobody.

    `secrets`: namespace -> name -> keys (never values); `storage_classes`: name -> allows expansion; `workloads`:
    namespace -> `kind/name`, in lower case; `other_backups`: namespace -> what was found, for people.
    """

    secrets: Mapping[str, Mapping[str, frozenset[str]]] = field(default_factory=dict)
    storage_classes: Mapping[str, bool] | None = None
    workloads: Mapping[str, frozenset[str]] = field(default_factory=dict)
    other_backups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class ClusterRule:
    """A rule that needs facts of the cluster."""

    text: RuleText
    check: Callable[[Stack, ClusterFacts], Iterator[Found]]


def secrets_present(stack: Stack, facts: ClusterFacts) -> Iterator[Found]:
    """Report Secrets, or keys of them, that are named and absent."""
    for path, validator in stack.validators():
        present = facts.secrets.get(validator.namespace)
        absent: set[str] = set()
        for place, name, key in named_secrets(validator) if present is not None else ():
            keys = (present or {}).get(name)
            if keys is None and name in absent:
                continue
            if keys is None:
                absent.add(name)
                reason = f"Secret {name!r} is not in namespace {validator.namespace}"
            elif key not in keys:
                reason = f"Secret {name!r} has no key {key!r}; it has {', '.join(sorted(keys)) or 'none'}"
            else:
                continue
            remedy = "create it, or name the one that is there"
            yield Found(Severity.ERROR, f"{path}.{place}", validator.name, reason, remedy)


def no_other_backups(stack: Stack, facts: ClusterFacts) -> Iterator[Found]:
    """Report snapshots and schedules of other tools in a validator's namespace."""
    for path, validator in stack.validators():
        others = facts.other_backups.get(validator.namespace, ())
        if others:
            yield Found(
                Severity.WARNING,
                f"{path}.namespace",
                validator.name,
                f"{', '.join(others)} already back up {validator.namespace}",
                "decide which one a recovery uses, and see that the cluster has storage for both",
            )


def storage_class_grows(stack: Stack, facts: ClusterFacts) -> Iterator[Found]:
    """Report a storage class that is absent or cannot grow a volume."""
    classes = facts.storage_classes
    for path, validator in stack.validators():
        volume = validator.backup.volume if validator.backup else None
        if volume is None or classes is None:
            continue
        place = f"{path}.backup.volume.storageClass"
        if volume.storage_class not in classes:
            reason = f"the cluster has no storage class {volume.storage_class!r}"
            remedy = f"name one of {', '.join(sorted(classes)) or 'its own'}"
            yield Found(Severity.ERROR, place, validator.name, reason, remedy)
        elif not classes[volume.storage_class]:
            reason = f"storage class {volume.storage_class!r} does not allow volumes to grow"
            remedy = "choose a class with allowVolumeExpansion: true"
            yield Found(stack.severity(), place, validator.name, reason, remedy)


def workloads_present(stack: Stack, facts: ClusterFacts) -> Iterator[Found]:
    """Report workloads that are named and absent: a restore would not stop what uses the databases."""
    for path, validator in stack.validators():
        present = facts.workloads.get(validator.namespace)
        for workload in validator.workloads if present is not None else ():
            if str(workload) not in (present or frozenset()):
                reason = f"{workload} is not in namespace {validator.namespace}"
                remedy = "name every workload that uses the databases as it is called there"
                yield Found(Severity.ERROR, f"{path}.workloads", validator.name, reason, remedy)


def named_secrets(validator: ValidatorSpec) -> Iterator[tuple[str, str, str]]:
    """Every Secret key that a validator's jobs read: path, name, key."""
    for place, server in (
        ("databases.server", validator.databases.server),
        ("databases.validatorApp.server", validator.databases.validator_app.server),
        ("databases.participant.server", validator.databases.participant.server),
    ):
        if server is not None:
            yield f"{place}.password", server.password.name, server.password.key
    api = validator.api.credentials
    for key in (api.url_key, api.client_id_key, api.client_secret_key):
        yield "api.credentials.secret", api.secret, key
    login = validator.api.wallet_login
    if login is not None:
        for key in (login.url_key, login.client_id_key):
            yield "api.walletLogin.clientSecret", login.client_secret, key
        for key in (login.username_key, login.password_key):
            yield "api.walletLogin.userSecret", login.user_secret, key
    yield from _named_by_store(validator)
    named = (
        ("alerts.webhook", validator.alerts.webhook if validator.alerts else None),
        ("drill.ageIdentity", validator.drill.age_identity if validator.drill else None),
    )
    yield from ((place, secret.name, secret.key) for place, secret in named if secret is not None)


def _named_by_store(validator: ValidatorSpec) -> Iterator[tuple[str, str, str]]:
    bucket = validator.backup.bucket if validator.backup else None
    if bucket is not None and bucket.credentials is not None:
        for key in (bucket.credentials.access_key_id_key, bucket.credentials.secret_access_key_key):
            yield "backup.bucket.credentials.secret", bucket.credentials.secret, key
    if bucket is not None and bucket.ca_bundle is not None and bucket.ca_bundle.kind == "Secret":
        yield "backup.bucket.caBundle", bucket.ca_bundle.name, bucket.ca_bundle.key
    if bucket is not None and bucket.ca_bundle is not None and bucket.ca_bundle.kind == "Secret":
        yield "backup.bucket.caBundle", bucket.ca_bundle.name, bucket.ca_bundle.key
    yield from _secrets_of_proofs(validator)


def _secrets_of_proofs(validator: ValidatorSpec) -> Iterator[tuple[str, str, str]]:
    if validator.alerts is not None and validator.alerts.webhook is not None:
        yield "alerts.webhook", validator.alerts.webhook.name, validator.alerts.webhook.key
    if validator.drill is not None and validator.drill.age_identity is not None:
        yield "drill.ageIdentity", validator.drill.age_identity.name, validator.drill.age_identity.key


CLUSTER_RULES = (
    ClusterRule(
        RuleText(
            "DR090",
            "Named Secrets are there",
            "error",
            "A schedule whose Secret is missing fails at its first run, in the night.",
            "Splice documentation, Deploying a Validator (Secrets)",
        ),
        secrets_present,
    ),
    ClusterRule(
        RuleText(
            "DR091",
            "No other tool backs up the same validator unseen",
            "warning",
            "Vendor-managed snapshots or Velero schedules may already be enabled; two tools compete for storage and "
            "time, and nobody knows which one a recovery uses.",
            "vendor guide, Part 1, Prerequisites, and Storage Recommendations",
        ),
        no_other_backups,
    ),
    ClusterRule(
        RuleText(
            "DR092",
            "The storage class exists and can grow",
            "error; a class that cannot grow is a warning outside production and critical",
            "The volume grows with the databases. In a class that cannot expand, the first growth fails every backup.",
            "vendor guide, Storage Recommendations",
        ),
        storage_class_grows,
    ),
    ClusterRule(
        RuleText(
            "DR093",
            "Named workloads are there",
            "error",
            "A restore stops the workloads before it swaps the databases. One that is not named right keeps writing.",
            "Splice documentation, Validator Backups",
        ),
        workloads_present,
    ),
)
