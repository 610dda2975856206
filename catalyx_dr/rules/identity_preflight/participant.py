"""The participants: the new one, the one that has the party, and one that is still there."""

from catalyx_dr.model.target import CustomResourceTarget
from catalyx_dr.rules.identity import fingerprint_of, identifier_of, node_identifier
from catalyx_dr.rules.identity_preflight.facts import ImportFacts
from catalyx_dr.rules.verdict import Verdict, passed, refusal, warning


def identifier_unused(facts: ImportFacts) -> Verdict:
    """The network knows a participant by identifier and namespace for ever: an identifier works once."""
    name, wanted = "identifier-unused", facts.new_identifier
    where = {**facts.used_identifiers, facts.spec.node_identifier: "the stack's nodeIdentifier"}
    if facts.participant_id:
        where[identifier_of(facts.participant_id)] = f"the dump's participant {facts.participant_id}"
    if facts.moved_to:
        where[identifier_of(facts.moved_to)] = f"movedTo {facts.moved_to}"
    if facts.present_participant_id:
        present = facts.present_participant_id
        where[identifier_of(present)] = f"the present participant {present}"
    if wanted in where:
        return refusal(
            name,
            f"newParticipantIdentifier {wanted!r} was used before: {where[wanted]}",
            "choose one that was never used; a number or date at its end keeps it readable",
        )
    looked = "in no record and no dump" if facts.database_obstacles is None else "in no record, no dump, no database"
    return passed(name, f"{wanted!r} is {looked}")


def party_place(facts: ImportFacts) -> Verdict | None:
    """An import moves only the parties of the participant that the dump's id names (domain 4)."""
    name, dumped = "party-place", facts.participant_id
    if dumped is None:
        return None
    named, latest, hosted = facts.moved_to or dumped, facts.latest_participant_id, facts.hosted_by
    if fingerprint_of(named) != fingerprint_of(dumped):
        return refusal(name, f"movedTo {named} has other keys than the dump of {dumped}", "correct movedTo")
    if hosted is not None:
        if hosted != named:
            return refusal(name, f"Scan says that {hosted} has the party, the import names {named}", _moved(hosted))
        return passed(name, f"Scan says that {hosted} has the party, as the import names it")
    if latest and latest != named and fingerprint_of(latest) == fingerprint_of(dumped) and facts.moved_to is None:
        return refusal(
            name,
            f"the dump is of {dumped}, the party is with {latest} since",
            f"choose a dump that was taken of {latest}, or {_moved(latest)}",
        )
    if facts.unproven_imports and facts.moved_to is None:
        return warning(
            name,
            f"the validator was started as {' and '.join(facts.unproven_imports)} since, without being proven",
            f"if its log says that the party was moved, {_moved(facts.unproven_imports[0])}",
        )
    return passed(name, f"nothing is known of a move of the party from {named}")


def _moved(participant: str) -> str:
    return f"give movedTo: {participant}, under whose id the dump is then imported"


def present_identity(facts: ImportFacts) -> Verdict | None:
    """A participant that is still there: of the same keys it is replaced, of other keys something is mixed up."""
    name, present, dumped = "present-identity", facts.present_participant_id, facts.participant_id
    if facts.answers_now is None:
        return None
    if present and dumped and fingerprint_of(present) != fingerprint_of(dumped):
        return warning(
            name,
            f"the present participant {present} has other keys than the dump",
            "it was perhaps set up anew after the loss; its databases are set aside, not dropped",
        )
    if facts.answers_now:
        return warning(
            name,
            "the validator answers and is ready now",
            "an import is for a lost participant; it is stopped, and its databases are set aside, not dropped",
        )
    return passed(name, f"the participant's database holds {present}" if present else "no participant is there")


def node_identifier_rule(facts: ImportFacts) -> Verdict:
    """Splice and the vendor contradict each other; the target's flavour decides (domain 9)."""
    chosen = node_identifier(facts.spec, facts.new_identifier)
    because = (
        "the vendor's guide keeps it, and its operator takes the new identifier in the import block alone"
        if isinstance(facts.spec.target, CustomResourceTarget)
        else "Splice refuses to start unless it equals newParticipantIdentifier (since 0.3.7)"
    )
    return passed("node-identifier", f"nodeIdentifier will be {chosen!r}: {because}")


def auto_init(facts: ImportFacts) -> Verdict:
    """A participant that initialises itself takes keys of its own before the dump is read (vendor guide 2.1)."""
    name, declared = "auto-init", facts.spec.target
    if not isinstance(declared, CustomResourceTarget):
        return passed(name, "Splice's participants never initialise themselves (since 0.2.0)")
    if not declared.auto_init_off:
        return warning(
            name,
            "the stack does not say how this resource switches auto-init off",
            "switch it off in the resource before the import, or give target.autoInitOff",
        )
    return passed(name, f"switched off with the values: {', '.join(declared.auto_init_off)}")
