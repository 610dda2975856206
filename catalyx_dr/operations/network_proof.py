"""Proof by the network itself: the participant that hosts the validator's party, as Scan tells it (domain 6)."""

from catalyx_dr.adapters.scan_api import ScanClient
from catalyx_dr.model.errors import UnprovenError
from catalyx_dr.model.validator_spec import ValidatorSpec


def prove_hosting(spec: ValidatorSpec, party: str, participant: str) -> str | None:
    """Participant that hosts the party at Scan; None when the stack names no Scan.

    Raises UnprovenError when it is another one than `participant`, UnreachableError when Scan does not answer.
    """
    scan_url = spec.target.scan_url
    if scan_url is None:
        return None
    found = ScanClient(scan_url).participant_of(party)
    if found != participant:
        raise UnprovenError(
            f"Scan says that {party} is hosted by {found or 'nobody'}, the validator runs as {participant}; "
            "if the party was moved by an import since the set was taken, use an identity import in place of a restore"
        )
    return found
