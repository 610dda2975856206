"""Names and marks of databases beside a validator's own: being loaded, or set aside for the way back.

No name begins with `participant`: Splice's chart takes such a database for a participant's (domain 1.4). A mark is the
comment on a database, which stays with it when it is renamed, and is there when every record is lost.
"""

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from catalyx_dr.model.databases import DatabaseRole
from catalyx_dr.model.validator_spec import ValidatorSpec

_LOADING, _ASIDE = "loading_", ("replaced_", "rolledback_")
_MARK = re.compile(
    r"^catalyx-dr: (?P<database>.+) of (?P<owner>\S+) until (?P<until>\S+), "
    r"set aside by (?P<by>[a-z-]+) (?P<request>\S+)$"
)


@dataclass(frozen=True)
class AsideMark:
    """What a database that was set aside tells of itself. `owner`: namespace/validator; `by`: kind of the record."""

    database: str
    owner: str
    until: datetime
    by: str
    request: str

    def __str__(self) -> str:
        moment = self.until.isoformat(timespec="seconds")
        return f"catalyx-dr: {self.database} of {self.owner} until {moment}, set aside by {self.by} {self.request}"

    @classmethod
    def parse(cls, text: str | None) -> "AsideMark | None":
        """Read a comment; None when it is no such mark."""
        match = _MARK.fullmatch(text or "")
        if match is None:
            return None
        try:
            until = datetime.fromisoformat(match["until"])
        except ValueError:
            return None
        return cls(match["database"], match["owner"], until, match["by"], match["request"]) if until.tzinfo else None

    def is_due(self, keep: timedelta, now: datetime) -> bool:
        """Tell whether it was kept as long as the stack declares."""
        return now - self.until >= keep


def owner_of(spec: ValidatorSpec) -> str:
    """Validator as marks name it: a server may hold databases of several."""
    return f"{spec.namespace}/{spec.name}"


def suffix_of(spec: ValidatorSpec, request_id: str) -> str:
    """What tells the databases of one request from those of another."""
    return hashlib.sha256(f"{owner_of(spec)}/{request_id}".encode()).hexdigest()[:8]


def loading_name(role: DatabaseRole, suffix: str) -> str:
    """Name while a set is loaded and proven."""
    return f"{_LOADING}{role}_{suffix}"


def unmarked_name(loading: str) -> str:
    """Name of a new database until it has its mark, by which another request knows whose it is."""
    return f"{loading}_new"


def replaced_name(role: DatabaseRole, suffix: str) -> str:
    """Name of what a restore replaced."""
    return f"{_ASIDE[0]}{role}_{suffix}"


def rolled_back_name(role: DatabaseRole, suffix: str) -> str:
    """Name of what a rollback took out of its place again."""
    return f"{_ASIDE[1]}{role}_{suffix}"


def is_loading(name: str) -> bool:
    """Tell whether a database is one that a restore loads."""
    return name.startswith(_LOADING)


def is_aside(name: str) -> bool:
    """Tell whether a database is one that was set aside."""
    return name.startswith(_ASIDE)


def loading_mark(owner: str, request_id: str) -> str:
    """Comment on a database that is not proven yet."""
    return f"catalyx-dr: being loaded by request {request_id} of {owner}"


def restored_mark(spec: ValidatorSpec, request_id: str, set_id: str) -> str:
    """Comment on a database that was loaded and proven, before the swap and after it."""
    return f"catalyx-dr: set {set_id} restored by request {request_id} of {owner_of(spec)}"


def returned_mark(spec: ValidatorSpec, request_id: str) -> str:
    """Comment on a database that a rollback put back in its place."""
    return f"catalyx-dr: put back by the rollback of request {request_id} of {owner_of(spec)}"
