"""What every record tells of the set that it is about."""

from pydantic import JsonValue

from catalyx_dr.model.backup_set import Manifest
from catalyx_dr.model.snapshot_set import SnapshotManifest


def set_details(manifest: Manifest | SnapshotManifest) -> dict[str, JsonValue]:
    """Participant, offsets and the moment that a restore of the set goes back to."""
    return {
        "participantId": manifest.participant_id,
        "ledgerOffsets": {str(one.role): one.ledger_offset for one in manifest.databases},
        "recoveryPoint": manifest.started.isoformat(),
    }
