"""Everything that is known before an identity import touches anything, looked up read-only."""

from collections.abc import Mapping

from catalyx_dr.adapters import access, validator_resource, workloads
from catalyx_dr.adapters.cluster import Cluster
from catalyx_dr.adapters.fresh_databases import obstacles, participant_ids
from catalyx_dr.adapters.http_peer import ONCE
from catalyx_dr.adapters.keycloak import machine_token, user_token
from catalyx_dr.adapters.postgres import PostgresServer
from catalyx_dr.adapters.secret_files import SecretFiles
from catalyx_dr.adapters.validator_api import ValidatorClient
from catalyx_dr.model.databases import DatabaseRole
from catalyx_dr.model.errors import CatalyxDrError
from catalyx_dr.model.target import CustomResourceTarget, SpliceHelmTarget, Workload
from catalyx_dr.model.validator_spec import ValidatorSpec
from catalyx_dr.operations.dump_identities import machine_login
from catalyx_dr.operations.identity_proof import wallet_login
from catalyx_dr.operations.import_order import TO_RESOURCE, FoundDump, ImportOrder
from catalyx_dr.operations.network import hosted_by
from catalyx_dr.operations.surroundings import Surroundings
from catalyx_dr.rules.identity import expected_party, how_applied, identifier_of, read_dump
from catalyx_dr.rules.identity_history import (
    identifiers_of_dumps,
    identifiers_of_records,
    latest_participant,
    unproven_imports,
)
from catalyx_dr.rules.identity_preflight import ImportFacts, TargetFacts
from catalyx_dr.rules.recovery_rights import recovery_rights


def look(
    spec: ValidatorSpec, order: ImportOrder, found: FoundDump, surroundings: Surroundings, cluster: Cluster
) -> ImportFacts:
    """Look everything up; raises UnreachableError when a database server does not answer."""
    participant = spec.databases.participant
    server = PostgresServer.reach(spec.databases.server_of(DatabaseRole.PARTICIPANT), surroundings.secrets)
    ids = participant_ids(server, participant)
    history = surroundings.records.list(spec.name)
    onboarding = spec.onboarding_secret
    return ImportFacts(
        spec=spec,
        new_identifier=order.new_identifier,
        metadata=found.dump.metadata,
        used_identifiers={
            **identifiers_of_dumps(found.known),
            **{identifier_of(one): f"database {name} is of {one}" for name, one in ids.items()},
            **identifiers_of_records(history),
        },
        latest_participant_id=latest_participant(history, found.known),
        unproven_imports=unproven_imports(history, found.dump.metadata),
        moved_to=order.moved_to,
        hosted_by=hosted_by(spec, expected_party(found.dump.metadata)),
        target=target_facts(spec, order.apply, cluster),
        now=surroundings.now(),
        content=found.dump.content,
        dump=read_dump(found.dump.content),
        present_participant_id=ids.get(participant.name),
        missing_workloads=tuple(str(one) for one in workloads_of(spec) if not workloads.exists(cluster, one)),
        database_obstacles=_obstacles(spec, surroundings.secrets),
        denied=access.denied(cluster, recovery_rights(spec)),
        answers_now=ValidatorClient(spec.api.url, ONCE).is_ready(),
        login_faults=_login_faults(spec, surroundings.secrets),
        onboarding_secret=surroundings.secrets.path(onboarding.name, onboarding.key).exists(),
    )


def target_facts(spec: ValidatorSpec, apply: str, cluster: Cluster) -> TargetFacts:
    """Look whether the vendor's resource is there, when it is to be patched."""
    how = how_applied(spec, apply)
    if how != TO_RESOURCE or not isinstance(spec.target, CustomResourceTarget):
        return TargetFacts(how)
    return TargetFacts(how, validator_resource.exists(cluster, spec.target))


def workloads_of(spec: ValidatorSpec) -> tuple[Workload, ...]:
    """Every workload that has to stand still, the validator's own among them."""
    target = spec.target
    if isinstance(target, SpliceHelmTarget) and target.validator_workload not in spec.workloads:
        return (target.validator_workload, *spec.workloads)
    return spec.workloads


def app_of(spec: ValidatorSpec) -> tuple[Workload, ...]:
    """The validator app's workload: the one that the target names, else the first of all."""
    target = spec.target
    return (target.validator_workload,) if isinstance(target, SpliceHelmTarget) else spec.workloads[:1]


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
