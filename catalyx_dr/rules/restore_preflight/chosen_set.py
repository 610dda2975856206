"""The chosen set: whole, of this validator, young enough, in order, and of a network that is still there."""

from catalyx_dr.model.databases import DatabaseRole
from catalyx_dr.model.errors import UnprovenError
from catalyx_dr.rules.capture_order import check_order
from catalyx_dr.rules.ownership import stranger
from catalyx_dr.rules.recovery import age_verdict
from catalyx_dr.rules.restore_preflight.facts import RestoreFacts
from catalyx_dr.rules.verdict import Verdict, passed, refusal, warning


def set_proven(facts: RestoreFacts) -> Verdict:
    """It is complete and can be had where it is."""
    chosen = facts.chosen
    if chosen.fault:
        another = "choose another set or source; a request that has begun keeps its set, so give a new requestId then"
        return refusal("set-proven", chosen.fault, another)
    return passed("set-proven", f"{chosen.identifier} is complete in the {chosen.place}")


def set_of_this_validator(facts: RestoreFacts) -> Verdict | None:
    """It is of the validator that asks for it."""
    name, manifest, spec = "set-of-this-validator", facts.chosen.described, facts.spec
    if manifest is None:
        return None
    if whose := stranger(spec, manifest):
        return refusal(name, f"set {manifest.set_id}: {whose}", "choose a set of this validator")
    return passed(name, f"{manifest.set_id} of {spec.name}, participant {manifest.participant_id}")


def set_age(facts: RestoreFacts) -> Verdict | None:
    """Its participant can still catch up."""
    taken = facts.chosen.taken
    return age_verdict(taken, facts.now) if taken else None


def set_order(facts: RestoreFacts) -> Verdict | None:
    """The app is not ahead of its participant."""
    manifest = facts.chosen.manifest
    if manifest is None:
        return None
    app, participant = (manifest.capture(role) for role in DatabaseRole)
    try:
        check_order(app, participant)
    except UnprovenError as error:
        return refusal("set-order", str(error), "choose another set")
    return passed(
        "set-order", f"app at offset {app.ledger_offset}, participant's ledger at {participant.ledger_offset}"
    )


def synchronizer_upgrade(facts: RestoreFacts) -> Verdict | None:
    """A set from before a migration or a logical upgrade needs the network of that time (domain 1.1)."""
    name, manifest, spec = "synchronizer-upgrade", facts.chosen.described, facts.spec
    if manifest is None:
        return None
    remedy = (
        "restore it only while the synchronizer nodes of that time are still up, let it catch up there, then go over; "
        "else use a younger set, or an identity import"
    )
    if manifest.migration_id != spec.migration_id:
        return refusal(name, f"taken at migration {manifest.migration_id}, now {spec.migration_id}", remedy)
    then, upgrade = manifest.synchronizer_serial, facts.upgrade
    now = upgrade.serial if upgrade else None
    if then is not None and now is not None and then != now:
        return refusal(name, f"taken at synchronizer serial {then}, Scan says {now} now", remedy)
    if upgrade is not None and upgrade.fault:
        return warning(name, f"Scan could not be asked: {upgrade.fault}", "look whether the network was upgraded since")
    if then is None or now is None:
        return passed(name, f"migration {spec.migration_id}; no serial of the synchronizer to compare")
    return passed(name, f"migration {spec.migration_id}, synchronizer serial {now}")


def party_place(facts: RestoreFacts) -> Verdict | None:
    """The party is still with the participant that the set is of; an import would have moved it (domain 1.4)."""
    manifest, hosted = facts.chosen.described, facts.hosted_by
    if manifest is None or hosted is None:
        return None
    if hosted != manifest.participant_id:
        return refusal(
            "party-place",
            f"Scan says that {hosted} has the party, the set is of {manifest.participant_id}",
            f"choose a set that was taken of {hosted}, or bring the party back by an identity import",
        )
    return passed("party-place", f"Scan says that {hosted} has the party")
