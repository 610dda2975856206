"""What records and dumps tell of a validator's participants: which identifiers were used, and where its party is."""

from collections.abc import Iterable, Mapping

from catalyx_dr.model.identity_dump import IdentityDumpMetadata
from catalyx_dr.model.record import Record, RecordKind, RecordStatus
from catalyx_dr.rules.identity import METADATA_DETAIL, fingerprint_of, identifier_of

# Details of an identity import's record.
NEW_IDENTIFIER, IDENTIFIER_USED = "newParticipantIdentifier", "identifierUsed"


def identifiers_of_dumps(known: Iterable[IdentityDumpMetadata]) -> Mapping[str, str]:
    """Identifiers of participants that were dumped, each with where it was found."""
    return {
        identifier: f"dump {one.dump_id} is of {one.participant_id}"
        for one in known
        for identifier in (one.node_identifier, identifier_of(one.participant_id))
    }


def identifiers_of_records(history: Iterable[Record]) -> Mapping[str, str]:
    """Identifiers that a set, a dump or an import used; a failed import burns its identifier as well (domain 4)."""
    used = {}
    for record in history:
        if record.kind is RecordKind.IDENTITY_IMPORT:
            if record.details.get(IDENTIFIER_USED) and NEW_IDENTIFIER in record.details:
                where = f"identity import {record.identifier} used it ({record.status})"
                used[str(record.details[NEW_IDENTIFIER])] = where
            continue
        metadata = record.details.get(METADATA_DETAIL)
        found = (metadata if isinstance(metadata, dict) else record.details).get("participantId")
        if isinstance(found, str) and found.count("::") == 2:
            used.setdefault(identifier_of(found), f"{record.kind} {record.identifier} is of {found}")
    return used


def latest_participant(history: Iterable[Record], known: Iterable[IdentityDumpMetadata]) -> str | None:
    """Participant of the newest proven dump or import."""
    proven = [(one.taken, one.participant_id) for one in known]
    proven += [
        (record.finished, str(record.details["participantId"]))
        for record in history
        if record.kind is RecordKind.IDENTITY_IMPORT
        and record.status is RecordStatus.COMPLETED
        and record.finished
        and "participantId" in record.details
    ]
    return max(proven)[1] if proven else None


def unproven_imports(history: Iterable[Record], dump: IdentityDumpMetadata) -> tuple[str, ...]:
    """Participants as which the validator was started since the dump without being proven."""
    fingerprint = fingerprint_of(dump.participant_id)
    return tuple(
        f"PAR::{record.details[NEW_IDENTIFIER]}::{fingerprint}"
        for record in history
        if record.kind is RecordKind.IDENTITY_IMPORT
        and record.details.get(IDENTIFIER_USED)
        and record.status is not RecordStatus.COMPLETED
        and record.started > dump.taken
    )
