"""What every record tells of the set that it is about."""

from pydantic import JsonValue

from catalyx_dr.model.backup_set import Manifest
from catalyx_dr.model.snapshot_set import SnapshotManifest
from catalyx_dr.rules.ownership import MANIFEST_DIGEST


def set_details(manifest: Manifest | SnapshotManifest) -> dict[str, JsonValue]:
    """Participant, offsets, the moment that a restore of the set goes back to, and the digest of its manifest."""
    return {
        "participantId": manifest.participant_id,
        "ledgerOffsets": {str(one.role): one.ledger_offset for one in manifest.databases},
        "recoveryPoint": manifest.started.isoformat(),
        MANIFEST_DIGEST: manifest.digest,
    }
