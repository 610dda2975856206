"""What is around a restore: the other half, the participant that the set was taken of, workloads, rights."""

from datetime import timedelta

from catalyx_dr.model.duration import format_duration
from catalyx_dr.rules.restore_preflight.facts import RestoreFacts
from catalyx_dr.rules.verdict import Verdict, passed, refusal, warning

# An identity dump outlives a set, but keys may be rotated since.
_OLD_DUMP = timedelta(days=30)


def permissions_verdict(denied: tuple[str, ...] | None) -> Verdict | None:
    """Every step is allowed, or the rights that are missing are named."""
    if denied is None:
        return None
    if denied:
        return refusal("permissions", f"not allowed to {'; '.join(denied)}", "run pulumi up, which makes the Role")
    return passed("permissions", "every step is allowed")


def identity_half(facts: RestoreFacts) -> Verdict | None:
    """There is an identity dump too, and it is not old."""
    name = "identity-half"
    if not facts.dumps_known:
        return None
    remedy = "take one as soon as the validator runs: catalyx-dr run identity-dump"
    if facts.dump_taken is None:
        return warning(name, "no identity dump is known", f"{remedy}; it is what is left when a set is too old")
    age = max(facts.now - facts.dump_taken, timedelta())
    text = f"the newest identity dump is {format_duration(timedelta(seconds=int(age.total_seconds())))} old"
    return warning(name, text, remedy) if age > _OLD_DUMP else passed(name, text)


def original_stopped(facts: RestoreFacts) -> Verdict | None:
    """The participant that the set was taken of runs nowhere else."""
    name, original = "original-stopped", facts.original
    if original is None:
        return None
    if original.running:
        return refusal(
            name,
            f"the participant that the set was taken of runs at {original.running}",
            "stop it there for good first: scale its workloads to 0 and remove what starts them",
        )
    if original.unseen:
        return warning(
            name,
            f"the set was taken in {original.unseen}, which cannot be seen from here",
            "make sure that the participant does not run there any more, and never will again",
        )
    if original.replaced_here:
        return passed(name, "the participant that the set was taken of is the one that is replaced")
    return passed(name, "the participant that the set was taken of does not answer any more")


def workloads_known(facts: RestoreFacts) -> Verdict | None:
    """Everything that uses the databases is there to be stopped and started."""
    name, missing = "workloads", facts.missing_workloads
    if missing is None:
        return None
    if missing:
        return refusal(
            name,
            f"{', '.join(missing)}: not in namespace {facts.spec.namespace}",
            "correct `workloads`, or install it first",
        )
    return passed(name, ", ".join(map(str, facts.spec.workloads)))


def permissions(facts: RestoreFacts) -> Verdict | None:
    """Every step is allowed."""
    return permissions_verdict(facts.denied)
