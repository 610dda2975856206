"""The two databases of a validator, and the servers that hold them."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from catalyx_dr.model.addresses import Host
from catalyx_dr.model.quantity import Quantity
from catalyx_dr.model.spec import KubernetesName, ObjectName, SecretKey, Spec, Text, WholeNumber

# PostgreSQL takes any text of that length; one with blanks around it is a slip.
DatabaseName = Annotated[Text, StringConstraints(max_length=63)]


class DatabaseRole(StrEnum):
    """The two databases of a validator, in the order in which they must be captured (domain 1.1)."""

    VALIDATOR_APP = "validator-app"
    PARTICIPANT = "participant"


class ServerVolume(Spec):
    """What a snapshot of a server is taken of: the claim of its data, and the StatefulSet that mounts it."""

    claim: ObjectName
    stateful_set: KubernetesName


class DatabaseServer(Spec):
    """A PostgreSQL server; the user owns the databases and has CREATEDB, never needs to be superuser."""

    host: Host
    port: WholeNumber = Field(default=5432, ge=1, le=65535)
    user: Text = "cnadmin"
    password: SecretKey = SecretKey(name="postgres-secrets", key="postgresPassword")
    maintenance_database: DatabaseName = "cantonnet"
    ssl_mode: Literal["disable", "prefer", "require", "verify-ca", "verify-full"] = "prefer"
    volume: ServerVolume | None = Field(default=None, description="Needed only for backups by snapshot")


class Database(Spec):
    """One database: its name is read, never inferred (domain 1.2); `storage` is the size of its volume."""

    name: DatabaseName
    schema_name: DatabaseName = Field(alias="schema")
    storage: Quantity
    server: DatabaseServer | None = Field(default=None, description="Only when it differs from databases.server")


class Databases(Spec):
    """Both databases of the validator."""

    server: DatabaseServer
    validator_app: Database
    participant: Database

    def of(self, role: DatabaseRole) -> Database:
        """Database that plays `role`."""
        return self.validator_app if role is DatabaseRole.VALIDATOR_APP else self.participant

    def server_of(self, role: DatabaseRole) -> DatabaseServer:
        """Server that holds the database of `role`."""
        return self.of(role).server or self.server

    @property
    def storage(self) -> Quantity:
        """Database storage of the vendor's sizing formula: both volumes together."""
        return self.validator_app.storage + self.participant.storage
