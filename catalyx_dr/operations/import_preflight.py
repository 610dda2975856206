"""Everything that is known before an identity import touches anything, looked up read-only."""

from collections.abc import Iterable, Mapping

from catalyx_dr.adapters import workloads
from catalyx_dr.adapters.cluster import Cluster
from catalyx_dr.adapters.fresh_databases import obstacles, participant_ids
from catalyx_dr.adapters.http_peer import Patience
from catalyx_dr.adapters.keycloak import machine_token, user_token
from catalyx_dr.adapters.postgres import PostgresServer
from catalyx_dr.adapters.records import RecordStore
from catalyx_dr.adapters.secret_files import SecretFiles
from catalyx_dr.adapters.validator_api import ValidatorClient
from catalyx_dr.model.errors import CatalyxDrError
from catalyx_dr.model.identity_dump import IdentityDumpMetadata
from catalyx_dr.model.record import RecordKind, RecordStatus
from catalyx_dr.model.validator_spec import DatabaseRole, SpliceHelmTarget, ValidatorSpec, Workload
from catalyx_dr.operations.dump_identities import machine_login
from catalyx_dr.operations.identity_proof import wallet_login
from catalyx_dr.operations.import_order import FoundDump
from catalyx_dr.operations.surroundings import Surroundings
from catalyx_dr.rules.identity import fingerprint_of, identifier_of, read_dump
from catalyx_dr.rules.identity_preflight import ImportFacts

NEW_IDENTIFIER, IDENTIFIER_USED = "newParticipantIdentifier", "identifierUsed"
_ONCE = Patience(timeout=5, attempts=1)


def look(
    spec: ValidatorSpec, new_identifier: str, found: FoundDump, surroundings: Surroundings, cluster: Cluster
) -> ImportFacts:
    """Look everything up; raises UnreachableError when a database server does not answer."""
    participant = spec.databases.participant
    server = PostgresServer.reach(spec.databases.server_of(DatabaseRole.PARTICIPANT), surroundings.secrets)
    ids = participant_ids(server, participant)
    return ImportFacts(
        spec=spec,
        new_identifier=new_identifier,
        content=found.dump.content,
        dump=read_dump(found.dump.content),
        metadata=found.dump.metadata,
        used_identifiers={
            **_in_dumps(found.known),
            **{identifier_of(one): f"database {name} is of {one}" for name, one in ids.items()},
            **_in_imports(surroundings.records, spec.name),
        },
        present_participant_id=ids.get(participant.name),
        latest_participant_id=_latest_participant(surroundings.records, spec.name, found.known),
        unproven_imports=_unproven_imports(surroundings.records, spec.name, found.dump.metadata),
        missing_workloads=tuple(str(one) for one in workloads_of(spec) if not workloads.exists(cluster, one)),
        database_obstacles=_obstacles(spec, surroundings.secrets),
        answers_now=ValidatorClient(spec.api.url, _ONCE).is_ready(),
        login_faults=_login_faults(spec, surroundings.secrets),
        wallet_login_declared=spec.api.wallet_login is not None,
        now=surroundings.now(),
    )


def workloads_of(spec: ValidatorSpec) -> tuple[Workload, ...]:
    """Every workload that has to stand still, the validator's own among them."""
    target = spec.target
    if isinstance(target, SpliceHelmTarget) and target.validator_workload not in spec.workloads:
        return (target.validator_workload, *spec.workloads)
    return spec.workloads


def _in_dumps(known: Iterable[IdentityDumpMetadata]) -> Mapping[str, str]:
    return {
        identifier: f"dump {one.dump_id} is of {one.participant_id}"
        for one in known
        for identifier in (one.node_identifier, identifier_of(one.participant_id))
    }


def _in_imports(records: RecordStore, validator: str) -> Mapping[str, str]:
    """Identifiers with which a validator was started: a failed import burns its identifier as well (domain 4)."""
    return {
        str(record.details[NEW_IDENTIFIER]): f"identity import {record.identifier} used it ({record.status})"
        for record in records.list(validator, RecordKind.IDENTITY_IMPORT)
        if record.details.get(IDENTIFIER_USED) and NEW_IDENTIFIER in record.details
    }


def _latest_participant(records: RecordStore, validator: str, known: Iterable[IdentityDumpMetadata]) -> str | None:
    proven = [(one.taken, one.participant_id) for one in known]
    proven += [
        (record.finished, str(record.details["participantId"]))
        for record in records.list(validator, RecordKind.IDENTITY_IMPORT)
        if record.status is RecordStatus.COMPLETED and record.finished and "participantId" in record.details
    ]
    return max(proven)[1] if proven else None


def _unproven_imports(records: RecordStore, validator: str, dump: IdentityDumpMetadata) -> tuple[str, ...]:
    fingerprint = fingerprint_of(dump.participant_id)
    return tuple(
        f"PAR::{record.details[NEW_IDENTIFIER]}::{fingerprint}"
        for record in records.list(validator, RecordKind.IDENTITY_IMPORT)
        if record.details.get(IDENTIFIER_USED)
        and record.status is not RecordStatus.COMPLETED
        and record.started > dump.taken
    )


def _obstacles(spec: ValidatorSpec, secrets: SecretFiles) -> tuple[str, ...]:
    found: list[str] = []
    for role in DatabaseRole:
        server = PostgresServer.reach(spec.databases.server_of(role), secrets)
        found += [one for one in obstacles(server, spec.databases.of(role)) if one not in found]
    return tuple(found)


def _login_faults(spec: ValidatorSpec, secrets: SecretFiles) -> Mapping[str, str]:
    faults = {}
    try:
        machine_token(machine_login(spec, secrets))
    except CatalyxDrError as error:
        faults["machine"] = str(error)
    try:
        login = wallet_login(spec, secrets)
        if login is not None:
            user_token(login)
    except CatalyxDrError as error:
        faults["wallet"] = str(error)
    return faults
