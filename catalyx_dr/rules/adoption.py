"""Whether something that others captured is this validator's, and whole: else it is refused (domain 1.1, 4)."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from catalyx_dr.model.errors import RefusedError, UnprovenError
from catalyx_dr.model.record import Record, RecordKind
from catalyx_dr.model.validator_spec import ValidatorSpec
from catalyx_dr.rules.capture_order import check_offsets
from catalyx_dr.rules.identity import fingerprint_of
from catalyx_dr.rules.validator_status import participant_of

_CLOCK_DIFFERENCE = timedelta(minutes=5)
Rows = Sequence[Mapping[str, str | None]]


def known_fingerprints(records: Iterable[Record], validator: str) -> frozenset[str]:
    """Namespace fingerprints under which this validator is known from what was proven of it."""
    found = (participant_of(record) for record in records if record.validator == validator)
    return frozenset(fingerprint_of(one) for one in found if one)


def check_identity(spec: ValidatorSpec, participant_id: str, known: frozenset[str], party_id: str | None) -> None:
    """Raise RefusedError unless the participant is this validator's: by its history, or by its operator's party.

    `party_id`: `<party hint>::<fingerprint>` as its owner knows it; the fingerprint stays through imports (domain 9).
    """
    fingerprint = fingerprint_of(participant_id)
    if party_id is not None:
        hint, _, of_party = party_id.partition("::")
        if hint != spec.party_hint:
            raise RefusedError(
                f"--party-id {party_id}: the stack says partyHint {spec.party_hint!r}; correct one of them"
            )
        known = frozenset({of_party})
    if not known:
        raise RefusedError(
            f"nothing proves that {participant_id} is {spec.name}: its history is empty; give --party-id, the party of "
            "its operator as its wallet shows it, or take an identity dump first (catalyx-dr run identity-dump)"
        )
    if fingerprint not in known:
        raise RefusedError(
            f"this is of {participant_id}, and {spec.name} is known with the keys {', '.join(sorted(known))}; "
            "it belongs to another validator, or databases or party are mixed up"
        )


def check_times(created_app: datetime, created_participant: datetime, now: datetime) -> None:
    """Raise UnprovenError unless the app's dump was begun before the participant's, and neither in the future."""
    if created_app > created_participant:
        raise UnprovenError(
            f"the app's dump was begun at {created_app:%Y-%m-%d %H:%M:%S} UTC, after the participant's "
            f"({created_participant:%Y-%m-%d %H:%M:%S}); such a pair cannot be used: dump the app first"
        )
    if created_participant > now + _CLOCK_DIFFERENCE:
        raise UnprovenError(
            f"the participant's dump is of {created_participant:%Y-%m-%d %H:%M:%S} UTC, which is in the future; "
            "name the zone of the machine that made it with --time-zone"
        )


def app_offset(rows: Rows) -> tuple[int, int]:
    """Newest migration id and the offset ingested in it; raises UnprovenError when the app has ingested nothing."""
    found = [(int(row["migration_id"] or 0), row["last_ingested_offset"]) for row in rows]
    newest = max((migration for migration, _ in found), default=0)
    offsets = [int(offset, 16) for migration, offset in found if migration == newest and offset]
    if not offsets:
        raise UnprovenError("the app's dump holds no ingested offset, so its order cannot be proven")
    return newest, max(offsets)


def participant_end(rows: Rows) -> int:
    """End of the participant's ledger; raises UnprovenError when it has none."""
    ends = [int(end) for row in rows if (end := row["ledger_end"])]
    if not ends:
        raise UnprovenError("the participant's dump holds no ledger end, so its order cannot be proven")
    return max(ends)


def participant_of_rows(rows: Rows) -> str:
    """Participant id; raises UnprovenError when the participant was never initialised."""
    if len(rows) != 1:
        raise UnprovenError("the participant's dump holds no participant id, so nothing proves whose it is")
    return f"PAR::{rows[0]['identifier']}::{rows[0]['namespace']}"


def check_order_of(app: Rows, participant: Rows) -> tuple[int, int, int]:
    """Migration id, app's offset and ledger's end; raises UnprovenError when the app is ahead."""
    migration, ingested = app_offset(app)
    end = participant_end(participant)
    check_offsets(ingested, end)
    return migration, ingested, end


def check_new(records: Iterable[Record], kind: RecordKind, sha256: str) -> None:
    """Raise RefusedError when a dump with this hash is in the history already."""
    for record in records:
        metadata = record.details.get("metadata")
        if record.kind is kind and isinstance(metadata, dict) and metadata.get("sha256") == sha256 and record.locations:
            raise RefusedError(f"this dump is in the history already, as {record.identifier}")
