"""What records and dumps tell of a validator's participants: which identifiers were used, and where its party is."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from catalyx_dr.model.errors import UnprovenError
from catalyx_dr.model.identity_dump import IdentityDumpMetadata
from catalyx_dr.model.record import Record, RecordKind, RecordStatus
from catalyx_dr.rules.identity import METADATA_DETAIL, fingerprint_of, identifier_of

# Details of an identity import's record.
NEW_IDENTIFIER, IDENTIFIER_USED = "newParticipantIdentifier", "identifierUsed"
# One that began earlier and never ended was killed.
_LONGEST_IMPORT = timedelta(days=1)


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


def unproven_start(history: Iterable[Record], participant_id: str, now: datetime) -> str:
    """What to tell of a participant as which an import started the validator without proving it; nothing of others.

    Raises UnprovenError while that import goes on: until it is proven, party and contracts may be elsewhere (domain 4).
    """
    for record in history:
        if (
            record.kind is RecordKind.IDENTITY_IMPORT
            and record.status is not RecordStatus.COMPLETED
            and record.details.get(IDENTIFIER_USED)
            and record.details.get(NEW_IDENTIFIER) == identifier_of(participant_id)
        ):
            told = f"identity import {record.identifier} started the validator as {participant_id}"
            if record.status is RecordStatus.RUNNING and now - record.started < _LONGEST_IMPORT:
                raise UnprovenError(f"{told} and has not proven it yet; run again when it has ended")
            return f"{told} and has not proven it; run that request again, it only proves"
    return ""


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
