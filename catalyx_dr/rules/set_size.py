"""How much room a new backup set is expected to take, so that a full volume is known before the dump."""

from catalyx_dr.model.backup_set import Manifest

_MARGIN_PERCENT = 120
# Canton's tables compress to a tenth or less (measured); what is larger than a quarter fails when the volume is full.
_FIRST_SET_SHARE = 4


def expected_set_bytes(database_bytes: int, previous: Manifest | None) -> int:
    """Expected bytes of a set of databases of `database_bytes`: by the previous set's compression, with a margin."""
    if previous is None:
        return database_bytes // _FIRST_SET_SHARE
    before = sum(capture.database_bytes for capture in previous.databases)
    return database_bytes * previous.bytes * _MARGIN_PERCENT // (max(before, 1) * 100)
