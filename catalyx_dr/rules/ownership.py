"""Whose a capture is: a sound one of another validator may lie in this one's place, put there by somebody's hand."""

from collections.abc import Iterable
from dataclasses import replace

from catalyx_dr.model.backup_set import Manifest
from catalyx_dr.model.capture import Capture
from catalyx_dr.model.identity_dump import IdentityDumpMetadata
from catalyx_dr.model.record import Record
from catalyx_dr.model.snapshot_set import SnapshotManifest
from catalyx_dr.model.validator_spec import ValidatorSpec
from catalyx_dr.rules.identity import fingerprint_of

# Detail of a set's record, by which a changed manifest is noticed.
MANIFEST_DIGEST = "manifestSha256"


def stranger(spec: ValidatorSpec, found: Manifest | SnapshotManifest | IdentityDumpMetadata) -> str:
    """Whose a capture is when it is of another validator; empty for one of `spec`.

    Participants are not compared: after a disaster the present one may be a fresh one, and the older sets are wanted.
    """
    if (found.validator, found.party_hint) == (spec.name, spec.party_hint):
        return ""
    return f"it is of validator {found.validator} ({found.party_hint}), not of {spec.name} ({spec.party_hint})"


def other_keys(participant_id: str | None, present: str | None) -> str:
    """Whose a capture is when its participant has other keys than the present one; an import keeps them (domain 9)."""
    if participant_id is None or present is None or fingerprint_of(participant_id) == fingerprint_of(present):
        return ""
    return f"it is of participant {participant_id}, whose keys are not those of {present}"


def is_as_recorded(manifest: Manifest | SnapshotManifest, record: Record) -> bool:
    """Tell whether the manifest is the one that the run wrote; a record that was made later cannot tell."""
    return record.details.get(MANIFEST_DIGEST, manifest.digest) == manifest.digest


def capture_of(manifest: Manifest | SnapshotManifest, whose: str, *, proven: bool) -> Capture:
    """A set at one destination; `whose`: as `stranger` tells it."""
    named = Capture.named(manifest.set_id, proven=proven, size=manifest.bytes if proven else 0)
    return replace(named, stranger=whose, participant_id=manifest.participant_id)


def strangers(captures: Iterable[Capture], present: str | None) -> dict[str, str]:
    """Captures that replace none of the participant `present`, and whose they are: such a one removes no own one."""
    found = ((one.identifier, one.stranger or other_keys(one.participant_id, present)) for one in captures)
    return {identifier: whose for identifier, whose in found if whose}
