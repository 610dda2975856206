"""Diagnoses a validator from the live cluster: what the API tells, and what a short Job inside it sees."""

import secrets
from dataclasses import dataclass, replace
from datetime import timedelta

from pydantic import ValidationError

from catalyx_dr.adapters import jobs
from catalyx_dr.adapters.agent_pod import AgentPod
from catalyx_dr.adapters.cluster import Cluster
from catalyx_dr.adapters.live_objects import collect
from catalyx_dr.adapters.mounted_secrets import for_look
from catalyx_dr.adapters.recovery_jobs import installed
from catalyx_dr.model.errors import CatalyxDrError, UnprovenError
from catalyx_dr.model.inside_facts import InsideFacts
from catalyx_dr.model.object_names import ObjectNames
from catalyx_dr.model.validator_spec import ValidatorSpec
from catalyx_dr.rules.diagnosis import ClusterFacts, Diagnosis, diagnose

# The line of the Job's log that holds what it saw.
ANSWER = "seen-inside: "
_DEADLINE = timedelta(minutes=3)
_PATIENCE = timedelta(minutes=4)


@dataclass(frozen=True)
class Diagnosed:
    """Every diagnosis of one validator, and what could not be looked at."""

    validator: str
    diagnoses: tuple[Diagnosis, ...]
    not_looked_at: tuple[str, ...]


def diagnose_validator(cluster: Cluster, spec: ValidatorSpec, *, inside: bool = True) -> Diagnosed:
    """Collect facts and judge them; `inside` also runs a Job that sees databases, store, Keycloak and API."""
    facts = collect(cluster, spec)
    skipped = list(facts.not_looked_at)
    if inside:
        try:
            facts = replace(facts, inside=_seen_inside(cluster, facts))
        except CatalyxDrError as error:
            skipped.append(f"databases, bucket, logins and API from inside the cluster: {error}")
    else:
        skipped.append("databases, bucket, logins and API from inside the cluster: asked not to run a Job")
    return Diagnosed(spec.name, diagnose(facts), tuple(skipped))


def _seen_inside(cluster: Cluster, facts: ClusterFacts) -> InsideFacts:
    """Run the Job, read its answer, and remove it."""
    spec = facts.spec
    name = f"{spec.name}-look-{secrets.token_hex(3)}"
    jobs.submit(cluster, _pod(cluster, facts).job_manifest(name, _DEADLINE))
    lines: list[str] = []
    try:
        state = jobs.follow(cluster, name, lines.append, _PATIENCE)
    finally:
        jobs.remove(cluster, name)
    answers = [line.removeprefix(ANSWER) for line in lines if line.startswith(ANSWER)]
    if not answers:
        raise UnprovenError(f"Job {name} {state} without an answer: {' '.join(lines[-3:]) or 'it said nothing'}")
    try:
        return InsideFacts.model_validate_json(answers[-1])
    except ValidationError:
        raise UnprovenError(f"Job {name} runs another version of catalyx-dr; update agent.image") from None


def _pod(cluster: Cluster, facts: ClusterFacts) -> AgentPod:
    spec, names = facts.spec, ObjectNames.of(facts.spec)
    return AgentPod(
        spec=spec,
        agent=installed(cluster, spec.name).agent,
        arguments=("look-inside",),
        # The account that may use the store, where that needs no key.
        service_account=names.backup if spec.backup else names.identity_dump,
        secrets=for_look(spec),
        # A claim that is not bound would hold the pod back for ever.
        backup_volume=facts.claim is not None and facts.claim.phase == "Bound",
        talks_to_cluster=False,
    )
