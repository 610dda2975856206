"""The validator itself: its workloads, databases, identity and logins (vendor guide, Troubleshooting; domain 4)."""

from collections.abc import Iterator

from catalyx_dr.model.databases import DatabaseRole
from catalyx_dr.model.duration import format_age
from catalyx_dr.model.inside_facts import InsideFacts, Problem
from catalyx_dr.model.record import Record, RecordKind, RecordStatus
from catalyx_dr.model.snapshot_set import SWITCH, SWITCH_BACK
from catalyx_dr.model.target import SpliceHelmTarget
from catalyx_dr.rules.crash_loop import HOPELESS_RESTARTS
from catalyx_dr.rules.diagnosis.diagnosis import Diagnosis, Rule
from catalyx_dr.rules.diagnosis.facts import ClusterFacts, WorkloadFacts
from catalyx_dr.rules.identity import fingerprint_of, identifier_of
from catalyx_dr.rules.validator_status import newest_proven, participant_of


def workloads(facts: ClusterFacts) -> Iterator[Diagnosis]:
    """Every workload is there, runs, and was started again after a recovery."""
    for found in facts.workloads:
        if not found.present:
            yield Diagnosis(
                "workload-missing",
                found.name,
                f"not in namespace {facts.spec.namespace}",
                "the validator is not installed, or `workloads` names another",
                "install the validator's charts, or correct `workloads` in the stack file",
            )
        elif found.stopped_by_us and not facts.active_jobs() and _open_switch(facts) is None:
            yield Diagnosis(
                "left-stopped",
                found.name,
                "a recovery stopped it, and no recovery goes on",
                "the recovery was cut off between stop and start",
                "pulumi up with the same requestId completes or undoes it",
            )
        elif found.ready < found.wanted:
            yield _not_ready(found)


def switch(facts: ClusterFacts) -> Iterator[Diagnosis]:
    """A switch to restored claims, or back, came to its end."""
    found = _open_switch(facts)
    if found is not None:
        request, options = found
        yield Diagnosis(
            "switch-unfinished",
            f"restore {request}",
            "its claims are being put in place, or were when the command ended",
            "catalyx-dr switch-claims was cut off, or goes on; every volume is kept meanwhile",
            f"catalyx-dr switch-claims -n {facts.spec.namespace} --request {request} {options} goes on where it was",
        )


def _open_switch(facts: ClusterFacts) -> tuple[str, str] | None:
    """Request whose switch has begun and not ended, and the options to go on with."""
    for record in facts.of_kind(RecordKind.RESTORE):
        for marks, options in ((SWITCH_BACK, "--back --apply"), (SWITCH, "--apply")):
            if marks.planned in record.details and not record.details.get(marks.done):
                return record.identifier, options
    return None


def identifier(facts: ClusterFacts) -> Iterator[Diagnosis]:
    """The validator starts with the identifier of its own participant (vendor guide: cannot rejoin network)."""
    known = _known_participant(facts)
    if known is None or not isinstance(facts.spec.target, SpliceHelmTarget):
        return
    for found in facts.workloads:
        if found.node_identifier not in (None, identifier_of(known)):
            yield Diagnosis(
                "cannot-rejoin-network",
                found.name,
                f"its node identifier is {found.node_identifier!r}, its participant is {known}",
                "wrong participant identifier: Splice wants nodeIdentifier equal to the participant's in every restart",
                f"set nodeIdentifier: {identifier_of(known)} in the chart's values and in the stack file",
            )


def databases(facts: ClusterFacts) -> Iterator[Diagnosis]:
    """Both databases answer, and are what they should be."""
    for look in facts.inside.databases if facts.inside else ():
        if look.problem is not None:
            yield Diagnosis(
                "database-unreachable" if look.problem.kind == "UnreachableError" else "database-unusable",
                f"{look.role} database",
                look.problem.text,
                "the server does not answer" if look.problem.kind == "UnreachableError" else "the message tells it",
                f"mend it; if the database is lost: docs/runbooks/database-lost.md ({_newest_set(facts)})",
            )


def order(facts: ClusterFacts) -> Iterator[Diagnosis]:
    """The app is not ahead of its participant: a reversed restore is silent, and every pod healthy (domain 4)."""
    app, participant = (facts.inside.database(role) for role in DatabaseRole) if facts.inside else (None, None)
    if app is None or participant is None or app.problem or participant.problem or app.ledger_offset is None:
        return
    if participant.ledger_offset is None or app.ledger_offset > participant.ledger_offset:
        yield Diagnosis(
            "order-of-offsets",
            "validator-app database",
            f"it has ingested offset {app.ledger_offset}, the participant's ledger ends at {participant.ledger_offset}",
            "the databases were restored from different moments, the participant from the earlier one",
            f"restore both from one set: docs/runbooks/database-lost.md ({_newest_set(facts)})",
        )


def chart_conflict(facts: ClusterFacts) -> Iterator[Diagnosis]:
    """No other database has a name that Splice's chart takes for a participant's (domain 1.4)."""
    if facts.inside and facts.inside.participant_like:
        yield Diagnosis(
            "participant-databases",
            "database server",
            f"beside {facts.spec.databases.participant.name!r} it has {', '.join(facts.inside.participant_like)}",
            "Splice's chart (0.6.8 and later) does not create a participant database while another participant% exists",
            "rename what is no longer used, or set persistence.enableParticipantDbConflictCheck=false",
        )


def identity(facts: ClusterFacts) -> Iterator[Diagnosis]:
    """The running participant has the keys that are known of it."""
    inside = facts.inside
    running = (inside.participant_id or _in_database(inside)) if inside else None
    known = _known_participant(facts)
    if running and known and fingerprint_of(running) != fingerprint_of(known):
        yield Diagnosis(
            "another-identity",
            "participant",
            f"it runs as {running}, its dumps and sets are of {known}",
            "it started on an empty or another database and made new keys: it is another participant to the network",
            "restore its databases (docs/runbooks/database-lost.md), or import its newest dump",
        )
    participant = inside.database(DatabaseRole.PARTICIPANT) if inside else None
    if participant is not None and participant.problem is None and participant.participant_id is None:
        yield Diagnosis(
            "no-identity",
            "participant database",
            "it holds no participant id",
            "the participant was never initialised on it: a wrong or an empty database",
            "check databases.participant.name; else restore it, or import the newest dump",
        )


def api(facts: ClusterFacts) -> Iterator[Diagnosis]:
    """The validator gives identity dumps to its machine client."""
    inside = facts.inside
    if inside is None:
        return
    if inside.ready is False:
        yield Diagnosis(
            "validator-not-ready",
            f"validator at {facts.spec.api.url}",
            "it does not say that it is ready",
            "it or its participant is starting, crashing, or not there",
            "look at the pods' logs (kubectl logs deployment/validator-app)",
        )
    if inside.machine_login is not None:
        yield _login_fault(facts, inside.machine_login, "machine client")
    elif inside.identities is not None and inside.ready:
        yield Diagnosis(
            f"identities-{inside.identities.kind.replace(' ', '-')}",
            "identities endpoint",
            inside.identities.text,
            "no identity dump can be taken while this lasts",
            "what the message says; then catalyx-dr run identity-dump",
        )


def wallet(facts: ClusterFacts) -> Iterator[Diagnosis]:
    """The wallet user logs in and has a wallet (vendor guide: login fails, wallet inaccessible)."""
    inside = facts.inside
    if inside is None:
        return
    if inside.wallet_login is not None:
        yield _login_fault(facts, inside.wallet_login, "wallet user")
    elif inside.wallet is not None and inside.ready:
        without_dump = newest_proven(facts.records, RecordKind.IDENTITY_DUMP) is None
        yield Diagnosis(
            "wallet-inaccessible",
            "wallet user",
            inside.wallet.text,
            "the identity was not restored: a restored database alone gives no access"
            if _recovered(facts) or without_dump
            else "the user was onboarded after the backup, or never",
            "restore identities separately: docs/runbooks/database-lost.md; else onboard the user again",
        )


def bucket(facts: ClusterFacts) -> Iterator[Diagnosis]:
    """The bucket answers."""
    if facts.inside and facts.inside.bucket:
        yield Diagnosis(
            "bucket-unreachable",
            "backup bucket",
            facts.inside.bucket.text,
            "the store does not answer, or refuses the access key or the request",
            "check endpoint, bucket name and access key; nothing leaves the cluster while this lasts",
        )


def _not_ready(found: WorkloadFacts) -> Diagnosis:
    crashing = found.restarts >= HOPELESS_RESTARTS or found.waiting == "CrashLoopBackOff"
    return Diagnosis(
        "workload-crashing" if crashing else "workload-not-ready",
        found.name,
        f"{found.ready} of {found.wanted} ready, {found.restarts} restarts {found.waiting}".rstrip(),
        "it starts and ends again: wrong settings, or contracts missing after an import ('Unknown secret')"
        if crashing
        else "it is starting, or what it needs does not answer",
        f"look at kubectl logs {found.name} --previous" if crashing else f"look at kubectl logs {found.name}",
    )


def _login_fault(facts: ClusterFacts, problem: Problem, who: str) -> Diagnosis:
    recovery = _recovered(facts)
    return Diagnosis(
        "login-fails",
        who,
        problem.text,
        f"Keycloak's users or clients were removed or changed{' before the last recovery' if recovery else ''}",
        "preserve the original users and clients: restore them in Keycloak with the same ids and secrets",
    )


def _recovered(facts: ClusterFacts) -> Record | None:
    kinds = (RecordKind.RESTORE, RecordKind.IDENTITY_IMPORT)
    return next((record for record in facts.records if record.kind in kinds), None)


def _known_participant(facts: ClusterFacts) -> str | None:
    """Participant as the newest proven recovery or dump tells it, else the newest set."""
    proven = [record for record in facts.records if record.status is RecordStatus.COMPLETED]
    for record in sorted(proven, key=lambda record: record.kind is RecordKind.BACKUP_SET):
        found = participant_of(record)
        if found:
            return found
    return None


def _in_database(inside: InsideFacts) -> str | None:
    look = inside.database(DatabaseRole.PARTICIPANT)
    return look.participant_id if look else None


def _newest_set(facts: ClusterFacts) -> str:
    newest = newest_proven(facts.records, RecordKind.BACKUP_SET)
    if newest is None:
        return "there is no proven set"
    return f"newest proven set: {newest.identifier}, {format_age(facts.now - newest.started)} old"


RULES: tuple[Rule, ...] = (
    workloads,
    switch,
    identifier,
    databases,
    order,
    chart_conflict,
    identity,
    api,
    wallet,
    bucket,
)
