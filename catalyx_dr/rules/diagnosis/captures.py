"""Captures that would not help on the day: too old, in one place only, of another participant, failed."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from catalyx_dr.model.duration import format_age, format_duration
from catalyx_dr.model.record import Record, RecordKind, RecordStatus
from catalyx_dr.rules.diagnosis.diagnosis import Diagnosis, Rule
from catalyx_dr.rules.diagnosis.facts import ClusterFacts
from catalyx_dr.rules.recovery import USABLE_FOR
from catalyx_dr.rules.validator_status import newest_proven, participant_of, status_of

_CAPTURES = {RecordKind.BACKUP_SET: "backup", RecordKind.IDENTITY_DUMP: "identity-dump"}
_PLACES = {RecordKind.BACKUP_SET: "volume", RecordKind.IDENTITY_DUMP: "cluster"}


def older_than_promised(facts: ClusterFacts) -> Iterator[Diagnosis]:
    """The newest proven capture is younger than the recovery point."""
    for half in status_of(facts.spec, facts.schedules, facts.records, facts.now).halves:
        if not half.missed or half.promised is None:
            continue
        age = f"the newest is {format_age(half.age)} old" if half.age is not None else "there is no proven one"
        yield Diagnosis(
            "recovery-point-missed",
            f"{half.kind} of {facts.spec.name}",
            f"{age}, promised is {format_duration(half.promised)}",
            "runs failed, did not start, or are rarer than the promise; other rows tell which",
            f"mend the other rows, then catalyx-dr run {_CAPTURES[half.kind]} -n {facts.spec.namespace}",
        )


def too_old_to_use(facts: ClusterFacts) -> Iterator[Diagnosis]:
    """The newest set can still catch up with the network (domain 1.1)."""
    newest = newest_proven(facts.records, RecordKind.BACKUP_SET)
    if newest is not None and facts.now - newest.started > USABLE_FOR:
        yield Diagnosis(
            "set-unusable",
            f"backup set {newest.identifier}",
            f"it is {format_age(facts.now - newest.started)} old, and no newer one is proven",
            f"sequencers keep {USABLE_FOR.days} days: a participant restored from before cannot catch up",
            "take a backup now; if the databases are lost, recover by identityImport",
        )


def one_place_only(facts: ClusterFacts) -> Iterator[Diagnosis]:
    """What is declared to leave the cluster has left it (domain 4: uploads fail silently, dumps die with clusters)."""
    if facts.spec.backup is None or facts.spec.backup.bucket is None:
        return
    for kind, place in _PLACES.items():
        # Snapshots stay in the cluster; only their validator's dumps go to the bucket.
        if kind is RecordKind.BACKUP_SET and facts.spec.backup.method == "snapshot":
            continue
        newest = newest_proven(facts.records, kind)
        if newest is not None and "bucket" not in newest.locations:
            yield Diagnosis(
                "not-in-bucket",
                f"{kind} {newest.identifier}",
                f"it is only in the {place}, although a bucket is declared",
                "it was taken before the bucket was declared, its export failed, or the store removed it",
                f"catalyx-dr run {_CAPTURES[kind]} -n {facts.spec.namespace} makes one that is in both",
            )


def damaged(facts: ClusterFacts) -> Iterator[Diagnosis]:
    """Captures that a verification found damaged or gone, where they are kept."""
    for record in facts.records:
        again = _CAPTURES.get(record.kind, "backup")
        for place, how in record.damaged.items():
            yield Diagnosis(
                "capture-damaged",
                f"{record.kind} {record.identifier}",
                f"in the {place}: {how}",
                "its bytes changed or vanished after it was proven: a disk, a store, or somebody's hand",
                f"no restore chooses it; catalyx-dr run {again} -n {facts.spec.namespace} "
                "makes a new one, and whoever runs the storage should know",
            )


def damaged_records(facts: ClusterFacts) -> Iterator[Diagnosis]:
    """Every record can be read: a recovery does nothing before, since it might do something twice."""
    for name, fault in facts.damaged_records.items():
        yield Diagnosis(
            "record-damaged",
            f"ConfigMap {name}",
            fault,
            "somebody changed it, or another version of catalyx-dr wrote it",
            f"kubectl delete configmap {name} -n {facts.spec.namespace}; verification names a capture without record",
        )


def of_one_participant(facts: ClusterFacts) -> Iterator[Diagnosis]:
    """Newest set and newest dump are of the same participant: else one names the wrong database or validator."""
    backup = newest_proven(facts.records, RecordKind.BACKUP_SET)
    dump = newest_proven(facts.records, RecordKind.IDENTITY_DUMP)
    if backup is None or dump is None:
        return
    in_set, in_dump = participant_of(backup), participant_of(dump)
    imported = facts.newest(RecordKind.IDENTITY_IMPORT, RecordStatus.COMPLETED)
    between = imported is not None and min(backup.started, dump.started) < imported.started
    if in_set and in_dump and in_set != in_dump and not between:
        yield Diagnosis(
            "participants-differ",
            f"backup set {backup.identifier}",
            f"it is of {in_set}, identity dump {dump.identifier} is of {in_dump}",
            "databases.participant.name or api.url names another validator's; a wrong database is healthy and useless",
            "read the name from CANTON_PARTICIPANT_POSTGRES_DB of the participant, correct it, and take both again",
        )


def keys_elsewhere(facts: ClusterFacts) -> Iterator[Diagnosis]:
    """Dumps that hold only references to an external KMS are declared so (domain 4)."""
    dump = newest_proven(facts.records, RecordKind.IDENTITY_DUMP)
    metadata = dump.details.get("metadata") if dump else None
    if isinstance(metadata, dict) and metadata.get("keyKind") == "kms" and not facts.spec.external_kms:
        yield Diagnosis(
            "keys-in-kms",
            f"identity dump {dump.identifier if dump else ''}",
            "it holds references to keys in a KMS, and the stack file does not say externalKms: true",
            "the keys themselves are in no backup; deleted KMS keys are lost for good",
            "write externalKms: true, and protect and replicate the KMS keys",
        )


def failed(facts: ClusterFacts) -> Iterator[Diagnosis]:
    """The newest run of a kind failed, and none succeeded since."""
    for kind in RecordKind:
        newest = next((one for one in facts.of_kind(kind) if one.status is not RecordStatus.RUNNING), None)
        if newest is not None and newest.status is RecordStatus.FAILED:
            yield _explained(newest)


@dataclass(frozen=True)
class _Known:
    """A failure that is recognised by the words of its record."""

    words: str
    name: str
    cause: str
    remedy: str


_KNOWN = (
    _Known(
        r"is full;|bytes free, and this set is expected",
        "insufficient-storage",
        "the backup volume has no room: it was made too small, or has not grown yet",
        "the next run grows the volume up to its limit; raise limit or headroomPercent, or give the cluster storage",
    ),
    _Known(
        r"cannot be used: Permission denied|cannot be locked: Permission denied",
        "volume-not-writable",
        "the volume's files belong to another group than the Job's (fsGroup is not applied by its driver)",
        "use a storage class whose driver applies fsGroup, or give the volume to group 10001",
    ),
    _Known(
        r"are not installed here",
        "client-version",
        "the agent image has no pg_dump of the server's major version (domain 4: other versions make unusable dumps)",
        "build the agent image with the server's version among its POSTGRESQL_MAJORS",
    ),
    _Known(
        r"not of one moment in the right order|has ingested offset",
        "order-of-offsets",
        "the app has ingested more than the participant's ledger holds: the databases are not one validator's",
        "check both names under databases; a validator in this state needs its app database restored with its pair",
    ),
    _Known(
        r"has no database|is not the (validator-app|participant) database",
        "wrong-database",
        "databases names a database that is not there or is not what it should be (domain 1.2)",
        "read the names from the charts' values or the pods' environment, and correct them in the stack file",
    ),
    _Known(
        r"refused the password",
        "database-password",
        "the Secret holds another password than the server",
        "put the present password in the Secret that databases.server.password names",
    ),
    _Known(
        r"Keycloak:.*(user .* is missing|invalid_grant)",
        "login-fails",
        "the Keycloak user was removed, disabled or has another password",
        "restore the original Keycloak users and clients with the same ids; do not make new ones",
    ),
    _Known(
        r"Keycloak:",
        "keycloak",
        "Keycloak gives no usable token",
        "restore the original client with its secret, or correct the ledger API Secret",
    ),
    _Known(
        r"identities.* answered 404",
        "identities-not-served",
        "the validator does not serve identity dumps (seen with KMS on Splice 0.6.3), or a proxy is in between",
        "ask inside the cluster (api.url http://validator-app:5003) and upgrade Splice; until then no dump is fresh",
    ),
    _Known(
        r"answered 401",
        "token-refused",
        "the validator does not accept the token: other audience or issuer, or an unknown user",
        "compare auth.audience of the chart with api.credentials.audience, and the ledger API Secret with Keycloak",
    ),
    _Known(
        r"answered 403",
        "token-lacks-rights",
        "the user of the token is not the validator's own ledger API user",
        "use the machine client of the ledger API Secret; a wallet user is not enough since Splice 0.5.5",
    ),
    _Known(
        r"answered 503|is not ready",
        "validator-not-ready",
        "the validator or its participant is not ready",
        "look at their pods' logs; then run it again",
    ),
    _Known(
        r"bucket '.*'",
        "bucket-unreachable",
        "the store does not answer, or refuses the access key or the request",
        "check endpoint, bucket name and access key; sets that are proven on the volume stay",
    ),
    _Known(
        r'"(base|global|pg_)[^"]*": No space left',
        "database-disk-full",
        "the disk of the database server is full; the backup volume is not",
        "give the server's volume room, or drop databases that were set aside, and run the same request again",
    ),
    _Known(
        r"too many (clients|connections)|remaining connection slots",
        "database-connections",
        "the server lets this user, or anybody, make no more connections",
        "end idle sessions, or raise max_connections or the CONNECTION LIMIT of role or database",
    ),
    _Known(
        r"is a standby|during recovery",
        "database-standby",
        "databases.server names a standby, on which nothing can be written",
        "name the primary in databases.server.host, or a Service that follows it",
    ),
    _Known(
        r"PostgreSQL at .* cannot be reached|broke off",
        "database-unreachable",
        "the database server does not answer",
        "check databases.server, the server's pod and network policies",
    ),
    _Known(
        r"a Secret holds at most",
        "dump-too-large",
        "the dump is larger than a Kubernetes Secret can be (1 MiB)",
        "keep database backups, which hold the keys of a participant without external KMS, and ask Splice support",
    ),
    _Known(
        r"not allowed to ",
        "not-permitted",
        "the Job's service account lacks a right that the stack declares",
        "pulumi refresh, then pulumi up gives the rights again",
    ),
)


def _explained(record: Record) -> Diagnosis:
    text = " ".join(record.message.split())
    burnt = record.kind is RecordKind.IDENTITY_IMPORT and record.details.get("identifierUsed")
    known = None if burnt else next((one for one in _KNOWN if re.search(one.words, text)), None)
    subject, found = f"{record.kind} {record.identifier}", f"failed in phase {record.phase!r}: {text}"
    if burnt:
        used = record.details.get("newParticipantIdentifier")
        return Diagnosis(
            "identifier-burnt",
            subject,
            f"{found.split(' If the validator')[0]} (identifier {used})",
            "it failed after the validator had started: its party may have moved without its contracts",
            "run the same request again, which only proves; if that fails, follow docs/runbooks/identifier-burnt.md",
        )
    if known is not None:
        return Diagnosis(known.name, subject, found, known.cause, known.remedy)
    return Diagnosis(
        f"{record.kind}-failed",
        subject,
        found,
        "the message tells it",
        "mend it, then run it again with catalyx-dr run",
    )


RULES: tuple[Rule, ...] = (
    older_than_promised,
    too_old_to_use,
    one_place_only,
    damaged,
    damaged_records,
    of_one_participant,
    keys_elsewhere,
    failed,
)
