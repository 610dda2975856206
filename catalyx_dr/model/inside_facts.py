"""What only a pod of the cluster can see of a validator: databases, store, Keycloak, API. Holds no key material."""

from pydantic import Field

from catalyx_dr.model.databases import DatabaseRole
from catalyx_dr.model.spec import Spec


class Problem(Spec):
    """Why something gave no usable answer; `kind` is the adapter's own word for it, `text` names cause and remedy."""

    kind: str
    text: str


class DatabaseLook(Spec):
    """One database; `ledger_offset` as in a backup set, `participant_id` only of the participant's."""

    role: DatabaseRole
    problem: Problem | None = None
    ledger_offset: int | None = None
    participant_id: str | None = None


class InsideFacts(Spec):
    """Answers of one look; what was not asked for has no problem."""

    databases: tuple[DatabaseLook, ...] = ()
    participant_like: tuple[str, ...] = Field(
        default=(), description="Databases beside the declared one that Splice's chart takes for a participant's"
    )
    bucket: Problem | None = None
    ready: bool | None = Field(default=None, description="Whether the validator app says that it is ready")
    party_id: str | None = None
    machine_login: Problem | None = None
    identities: Problem | None = None
    participant_id: str | None = Field(default=None, description="As the validator's own API tells it")
    wallet_login: Problem | None = None
    wallet: Problem | None = None
    volume_bytes: int | None = None
    volume_free: int | None = None

    def database(self, role: DatabaseRole) -> DatabaseLook | None:
        """What was seen of one database."""
        return next((one for one in self.databases if one.role is role), None)
