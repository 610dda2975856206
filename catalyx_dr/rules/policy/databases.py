"""The two databases are the right ones, so that their order means something (domain 1.1, 1.2, 4)."""

import re
from collections.abc import Iterator

from catalyx_dr.model.databases import Database, DatabaseRole
from catalyx_dr.model.quantity import Quantity
from catalyx_dr.model.validator_spec import ValidatorSpec
from catalyx_dr.rules.policy.finding import Found, Severity, Stack, rule

_LEGACY_NAME = re.compile(r"participant[-_]([0-9]+)")
_OF_EVERY_SERVER = ("postgres", "template0", "template1")
_IMPLAUSIBLE = Quantity.parse("64Mi")


@rule(
    "DR003",
    "The two databases are told apart",
    severity="error",
    why="The validator app's database must be captured before the participant's. With the two exchanged, or one named "
    "twice, every backup looks fine and no restore works: the app asks for ledger offsets that its participant lacks, "
    "and nothing says so.",
    source="Splice documentation, Validator Backups; Splice documentation, Deploying a Validator (databases)",
)
def databases_in_order(stack: Stack) -> Iterator[Found]:
    """Report databases that are one and the same, or that carry each other's names."""
    for path, validator in stack.validators():
        place, databases = f"{path}.databases", validator.databases
        if _address(validator, DatabaseRole.VALIDATOR_APP) == _address(validator, DatabaseRole.PARTICIPANT):
            yield Found(
                Severity.ERROR,
                place,
                validator.name,
                f"validatorApp and participant name the same database {databases.participant.name!r}",
                "name both databases as the validator's charts do (persistence.databaseName)",
            )
        for role, name in ((DatabaseRole.VALIDATOR_APP, "validatorApp"), (DatabaseRole.PARTICIPANT, "participant")):
            database, server = databases.of(role), databases.server_of(role)
            if database.name in (server.maintenance_database, *_OF_EVERY_SERVER):
                yield Found(
                    Severity.ERROR,
                    f"{place}.{name}.name",
                    validator.name,
                    f"{database.name!r} is a database of the server's own, and holds nothing of a validator",
                    "name the database as the validator's charts do (persistence.databaseName)",
                )
        if _is_participants(databases.validator_app) or _is_apps(databases.participant):
            yield Found(
                Severity.ERROR,
                place,
                validator.name,
                f"validatorApp is {databases.validator_app.name!r} (schema {databases.validator_app.schema_name!r}), "
                f"participant is {databases.participant.name!r} (schema {databases.participant.schema_name!r}): "
                "they look exchanged",
                "give each role its own database",
            )


@rule(
    "DR004",
    "The participant's database belongs to the declared migration",
    severity="warning",
    why="Older participant databases can lie beside the present one. Backing up the wrong one gives a healthy pod "
    "without the validator's identity.",
    source="Splice documentation, Deploying a Validator (databases)",
)
def database_of_migration(stack: Stack) -> Iterator[Found]:
    """Report a participant database whose number is not the migration id."""
    for path, validator in stack.validators():
        name = validator.databases.participant.name
        numbered = _LEGACY_NAME.fullmatch(name)
        if numbered and int(numbered[1]) != validator.migration_id:
            yield Found(
                Severity.WARNING,
                f"{path}.databases.participant.name",
                validator.name,
                f"{name!r} is the database of migration {numbered[1]}, migrationId is {validator.migration_id}",
                "read the name from the participant's CANTON_PARTICIPANT_POSTGRES_DB, and set migrationId to it",
            )


@rule(
    "DR005",
    "Database storage has a plausible size",
    severity="error",
    why="The backup volume is sized from it. A forgotten unit (`60` for `60Gi`) is a valid size to Kubernetes.",
    source="vendor guide, Storage Recommendations",
)
def plausible_storage(stack: Stack) -> Iterator[Found]:
    """Report a storage size below any real database."""
    for path, validator in stack.validators():
        databases = validator.databases
        for name, database in (("validatorApp", databases.validator_app), ("participant", databases.participant)):
            if database.storage < _IMPLAUSIBLE:
                yield Found(
                    Severity.ERROR,
                    f"{path}.databases.{name}.storage",
                    validator.name,
                    f"{database.storage} is less than any database of Canton needs",
                    "write the size of the database's volume with its unit, for example 60Gi",
                )


@rule(
    "DR006",
    "A recovery knows what to stop",
    severity="error",
    why="Databases are swapped while nobody uses them. A workload that is not named goes on writing into the databases "
    "that are set aside. The database server is none of them: what stops it, stops the recovery.",
    source="Splice documentation, Validator Backups",
)
def workloads_named(stack: Stack) -> Iterator[Found]:
    """Report workloads that are none, lack the one an import changes, or have the database server among them."""
    for path, validator in stack.validators():
        workloads, target = validator.workloads, validator.target
        servers = {validator.databases.server_of(role).host.split(".")[0] for role in DatabaseRole}
        if not workloads:
            reason = "no workload is named, so that a recovery would stop none"
            remedy = "name every Deployment and StatefulSet that uses the databases, or leave workloads out"
        elif target.kind == "splice-helm" and target.validator_workload not in workloads:
            reason = f"{target.validator_workload}, which is target.validatorWorkload, is not among them"
            remedy = "name it among them, or write target.validatorWorkload as it is called there"
        elif serving := [workload for workload in workloads if workload.name in servers]:
            reason, remedy = f"{serving[0]} is the database server, which a recovery needs", "leave it out"
        else:
            continue
        yield Found(Severity.ERROR, f"{path}.workloads", validator.name, reason, remedy)


def _address(validator: ValidatorSpec, role: DatabaseRole) -> tuple[str, int, str]:
    server = validator.databases.server_of(role)
    return server.host, server.port, validator.databases.of(role).name


def _is_participants(database: Database) -> bool:
    return database.schema_name == "participant" or bool(re.fullmatch(r"participant([-_][0-9]+)?", database.name))


def _is_apps(database: Database) -> bool:
    return database.schema_name == "validator" or database.name in ("cantonnet_validator", "validator")


RULES = (databases_in_order, database_of_migration, plausible_storage, workloads_named)
