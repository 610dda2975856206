"""The order that makes a backup set usable: the app's database strictly before the participant's (domain 1.1, 4).

An app whose stores hold offsets that the restored participant has not got must be reset by hand, and nothing shows
it at first: every pod is healthy.
"""

from catalyx_dr.model.backup_set import DatabaseCapture
from catalyx_dr.model.errors import UnprovenError


def check_order(app: DatabaseCapture, participant: DatabaseCapture) -> None:
    """Raise UnprovenError unless the app's capture was completed before the participant's started, and is not ahead."""
    if app.completed > participant.started:
        raise UnprovenError(
            f"the validator app's capture was completed at {app.completed:%H:%M:%S.%f}, after the participant's was "
            f"started at {participant.started:%H:%M:%S.%f}; such a set cannot be used, take another"
        )
    check_offsets(app.ledger_offset, participant.ledger_offset)


def check_offsets(ingested: int | None, ledger_end: int | None) -> None:
    """Raise UnprovenError when the app has ingested more than the participant's ledger holds."""
    if ingested is None or (ledger_end is not None and ingested <= ledger_end):
        return
    end = "has no ledger end" if ledger_end is None else f"ends at {ledger_end}"
    raise UnprovenError(
        f"the validator app has ingested offset {ingested}, but the participant's ledger {end}: the databases are not "
        "of one moment in the right order, or are not those of one validator; check their names and take another set"
    )
