"""What is installed: where the values go, what is stopped, databases, rights, Secrets and logins."""

from catalyx_dr.model.target import CustomResourceTarget
from catalyx_dr.rules.identity_preflight.facts import ImportFacts
from catalyx_dr.rules.restore_preflight.surroundings import permissions_verdict
from catalyx_dr.rules.verdict import Verdict, passed, refusal, warning


def target(facts: ImportFacts) -> Verdict | None:
    """How the values get to the validator must fit its flavour."""
    name, how, declared = "target", facts.target, facts.spec.target
    vendors = isinstance(declared, CustomResourceTarget)
    if how.apply == "custom-resource" and not vendors:
        return refusal(
            name, f"apply is custom-resource, the target is {declared.kind}", "use apply: workload, or print"
        )
    if how.apply == "print":
        return passed(name, "the values are only printed; the Job waits until they are applied")
    if not isinstance(declared, CustomResourceTarget):
        return passed(name, f"the values are set on {declared.validator_workload}")
    if how.resource is None:
        return None
    place = f"{declared.resource_kind} {facts.spec.namespace}/{declared.name}"
    if not how.resource:
        return refusal(
            name, f"{place} is not there", "create it without the import block, suspended, or use apply: print"
        )
    return passed(name, f"the values are patched into {place}")


def workloads(facts: ImportFacts) -> Verdict | None:
    """What is patched is restarted; for values applied by hand the vendor's resource is deleted first (guide 2.1)."""
    name, missing = "workloads", facts.missing_workloads
    if missing is None:
        return None
    present = [str(one) for one in facts.spec.workloads if str(one) not in missing]
    if isinstance(facts.spec.target, CustomResourceTarget) and facts.target.apply == "print":
        if present:
            return refusal(
                name,
                f"{', '.join(present)} still there",
                f"delete the {facts.spec.target.resource_kind} {facts.spec.target.name!r} first, and only it: keep "
                "Keycloak users and clients and the Secrets (vendor guide 2.1); or use apply: custom-resource",
            )
        return passed(name, "the validator resource is deleted, as the vendor's guide wants")
    if missing:
        return refusal(
            name, f"{', '.join(missing)} not there", "install the charts with their usual values first, then run again"
        )
    return passed(name, f"{', '.join(present)} will be stopped and started again")


def databases(facts: ImportFacts) -> Verdict | None:
    """Fresh databases are made beside the old ones, with no more than ownership and CREATEDB."""
    name = "databases"
    if facts.database_obstacles is None:
        return None
    if facts.database_obstacles:
        return refusal(name, "; ".join(facts.database_obstacles), "give the database user these rights")
    return passed(name, "present databases can be set aside by renaming, and fresh ones made")


def permissions(facts: ImportFacts) -> Verdict | None:
    """Every step must be allowed."""
    return permissions_verdict(facts.denied)


def onboarding_secret(facts: ImportFacts) -> Verdict | None:
    """No new one is needed, but the pod does not start without the old one (domain 1.4, vendor guide 2.1)."""
    name, wanted = "onboarding-secret", facts.spec.onboarding_secret
    if facts.onboarding_secret is None:
        return None
    if not facts.onboarding_secret:
        return refusal(
            name,
            f"Secret {wanted.name} with key {wanted.key} is not there",
            "create it again with the old value, or any: it is not used again (or correct onboardingSecret)",
        )
    return passed(name, f"Secret {wanted.name} is still there")


def machine_login(facts: ImportFacts) -> Verdict | None:
    """Without the ledger API client the validator cannot start, and nothing can be verified."""
    if facts.login_faults is None:
        return None
    fault = facts.login_faults.get("machine")
    if fault:
        return refusal("ledger-api-login", fault, "put the Keycloak client or its Secret right first")
    return passed("ledger-api-login", "the ledger API client gets a token with the audience")


def wallet_login(facts: ImportFacts) -> Verdict | None:
    """The wallet user's login is the vendor's own proof of a recovery."""
    name = "wallet-login"
    if facts.spec.api.wallet_login is None:
        return warning(name, "no wallet login is declared", "give api.walletLogin, or log in by hand afterwards")
    if facts.login_faults is None:
        return None
    fault = facts.login_faults.get("wallet")
    if fault:
        return refusal(name, fault, "put the Keycloak user, client or Secret right first")
    return passed(name, "the wallet user can log in at Keycloak")
