"""The start of the validator app: a fresh validator's onboarding, a restart, or re-onboarding from an identity dump.

Steps and their order follow domain 1.4; so does the known weakness that a crash between moving the party and importing
its contracts skips the import for good.
"""

import json
import logging
import os
from pathlib import Path
from typing import Any

from dev.validator.app_settings import AppSettings, DumpImport
from dev.validator.keys import KeyPair
from dev.validator.ledger_users import CAN_ACT_AS, CAN_READ_AS, PARTICIPANT_ADMIN
from dev.validator.participant_client import ParticipantClient, ParticipantStatus
from dev.validator.scan_client import ScanClient

LOG = logging.getLogger(__name__)

CRASH_CODE = 70


class OnboardingError(Exception):
    """The validator cannot start with these settings, databases and network."""


def onboard(settings: AppSettings, participant: ParticipantClient) -> tuple[str, str]:
    """Bring participant and network to where the app can serve; returns operator party and participant id.

    Repeating it after success changes nothing. Raises OnboardingError, or CallRefusedError of a neighbour.
    """
    dump = _read_dump(settings.dump_import) if settings.dump_import else None
    participant_id = _initialise(settings, participant, dump)
    participant.connect(settings.scan_url)
    status = participant.status()
    party = f"{settings.party_hint}::{status.namespace}"
    if settings.migrate_party_scan_url is not None and dump is not None:
        scan = ScanClient(settings.migrate_party_scan_url)
        _migrate_parties(settings, participant, scan, str(dump["id"]))
    _ensure_hosted(participant, ScanClient(settings.scan_url), party, participant_id)
    _ensure_licence(settings, participant, party, participant_id)
    operator_rights = [(PARTICIPANT_ADMIN, None), (CAN_ACT_AS, party), (CAN_READ_AS, party)]
    participant.upsert_user(settings.ledger_api_user, party, operator_rights)
    for user in settings.wallet_users:
        participant.upsert_user(user, party, [(CAN_ACT_AS, party), (CAN_READ_AS, party)])
    return party, participant_id


def _read_dump(source: DumpImport) -> dict[str, Any]:
    try:
        dump = json.loads(Path(source.file).read_text())
        missing = {"id", "keys", "authorizedStoreSnapshot"} - set(dump)
    except OSError as error:
        raise OnboardingError(f"{source.file}: {error.strerror}") from None
    except (ValueError, TypeError):
        raise OnboardingError(f"{source.file}: not a JSON object") from None
    if missing:
        raise OnboardingError(f"{source.file}: {', '.join(sorted(missing))} missing")
    return dict(dump)


def _initialise(settings: AppSettings, participant: ParticipantClient, dump: dict[str, Any] | None) -> str:
    status = participant.status()
    if status.participant_id is not None:
        LOG.info("the participant is initialised as %s", status.participant_id)
        return status.participant_id
    if dump is None:
        LOG.info("initialising a new participant %s", settings.node_identifier)
        return participant.initialise(settings.node_identifier)
    _check_dump_fits(dump, settings.node_identifier)
    LOG.info("initialising the participant %s with the keys of %s", settings.node_identifier, dump["id"])
    participant.import_keys(dump["keys"])
    return participant.initialise(settings.node_identifier, dump["authorizedStoreSnapshot"])


def _check_dump_fits(dump: dict[str, Any], new_identifier: str) -> None:
    try:
        _, old_identifier, namespace = str(dump["id"]).split("::")
        keys = {key.name: key for key in map(KeyPair.from_dump, dump["keys"])}
    except ValueError as error:
        raise OnboardingError(f"identity dump: {error}") from None
    if "namespace" not in keys or keys["namespace"].fingerprint != namespace:
        raise OnboardingError(f"identity dump: its namespace key is not that of {dump['id']}")
    if old_identifier == new_identifier:
        raise OnboardingError(f"newParticipantIdentifier: {new_identifier} is the dump's own, choose a new one")


def _migrate_parties(
    settings: AppSettings, participant: ParticipantClient, scan: ScanClient, old_participant: str
) -> None:
    """Move every party of the old participant here, then import their contracts."""
    parties = scan.parties_of(old_participant)
    for party in parties:
        LOG.info("moving %s from %s", party, old_participant)
        participant.host_party(party)
    if parties and settings.crash_after_party_move:
        LOG.error("crashing after the move of the parties, as told")
        logging.shutdown()
        os._exit(CRASH_CODE)
    for party in parties:
        contracts = scan.acs(party)
        participant.import_contracts(contracts)
        LOG.info("imported %d contracts of %s", len(contracts), party)


def _ensure_hosted(participant: ParticipantClient, scan: ScanClient, party: str, participant_id: str) -> None:
    hosted_on = scan.participant_of(party)
    if hosted_on is None or (hosted_on == participant_id and party not in participant.status().parties):
        LOG.info("allocating the party %s", party)
        participant.host_party(party)
    elif hosted_on != participant_id:
        raise OnboardingError(
            f"{party} is hosted on {hosted_on}, not on {participant_id}; "
            "a dump moves only the parties of the participant that its id names"
        )


def _ensure_licence(settings: AppSettings, participant: ParticipantClient, party: str, participant_id: str) -> None:
    status: ParticipantStatus = participant.status()
    if status.has_validator_license:
        return
    LOG.info("ValidatorLicense not found for %s", party)
    if settings.onboarding_secret is None:
        return
    contracts = ScanClient(settings.scan_url).onboard(settings.onboarding_secret, participant_id, party)
    participant.import_contracts(contracts)
    participant.add_history(party, settings.history_updates)
