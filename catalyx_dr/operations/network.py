"""What a validator's jobs ask of its network at Scan, which may be silent: that stops no backup and no restore."""

from catalyx_dr.adapters.http_peer import ONCE
from catalyx_dr.adapters.scan_api import ScanClient
from catalyx_dr.model.errors import UnreachableError
from catalyx_dr.model.validator_spec import ValidatorSpec
from catalyx_dr.rules.restore_preflight import UpgradeFacts


def hosted_by(spec: ValidatorSpec, party: str) -> str | None:
    """Participant that has the party now; None when nobody has it or tells it."""
    scan_url = spec.target.scan_url
    if scan_url is None:
        return None
    try:
        return ScanClient(scan_url, ONCE).participant_of(party)
    except UnreachableError:
        return None


def upgrade_facts(spec: ValidatorSpec) -> UpgradeFacts | None:
    """Serial of the active synchronizer; None when the stack names no Scan."""
    scan_url = spec.target.scan_url
    if scan_url is None:
        return None
    try:
        return UpgradeFacts(ScanClient(scan_url, ONCE).synchronizer_serial())
    except UnreachableError as error:
        return UpgradeFacts(fault=str(error))
