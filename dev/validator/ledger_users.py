"""Ledger users and their rights."""

from dataclasses import dataclass

# Canton's numbers of the rights, as in the column lapi_user_rights.user_right.
PARTICIPANT_ADMIN, CAN_ACT_AS, CAN_READ_AS = 1, 2, 3

Right = tuple[int, str | None]


@dataclass(frozen=True)
class LedgerUser:
    """A ledger user; a right names a party, or None for the participant itself."""

    user_id: str
    primary_party: str | None
    is_deactivated: bool
    rights: frozenset[Right]
