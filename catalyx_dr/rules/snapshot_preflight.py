"""Whether a restore from snapshots may begin: what every restore asks, and what new claims and servers need.

The claims in use are not touched by it; what would go wrong only when they are switched is told now all the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from catalyx_dr.model.databases import DatabaseRole
from catalyx_dr.model.errors import UnprovenError
from catalyx_dr.model.snapshot_set import SnapshotManifest
from catalyx_dr.rules.restore_preflight import RESTORE_CHECKS, RestoreFacts
from catalyx_dr.rules.restore_preflight.chosen_set import (
    party_place,
    set_age,
    set_of_this_validator,
    set_proven,
    synchronizer_upgrade,
)
from catalyx_dr.rules.restore_preflight.surroundings import (
    identity_half,
    original_stopped,
    permissions,
    workloads_known,
)
from catalyx_dr.rules.snapshot_order import check_snapshot_order
from catalyx_dr.rules.verdict import Checks, Verdict, passed, refusal

SNAPSHOT_CHECKS: Checks = {
    "set-proven": RESTORE_CHECKS["set-proven"],
    "set-of-this-validator": RESTORE_CHECKS["set-of-this-validator"],
    "set-age": None,
    "set-order": RESTORE_CHECKS["set-order"],
    "synchronizer-upgrade": None,
    "party-place": None,
    "storage-class": "no volume is made for a claim without its class",
    "space": "the API server itself would refuse the claims",
    "throw-away-servers": "the restored claims could not be proven",
    "versions": "PostgreSQL does not start on the files of another major version",
    "identity-half": None,
    "original-stopped": RESTORE_CHECKS["original-stopped"],
    "workloads": RESTORE_CHECKS["workloads"],
    "permissions": RESTORE_CHECKS["permissions"],
    "way-back": None,
}


@dataclass(frozen=True)
class CopyFacts:
    """What the cluster answers to what the restore would make, which was not made for it; None: it could not be asked.

    `missing_classes`: storage classes of the claims that are gone. `claims`, `servers`: why the API server would
    refuse them, or nothing. `majors`: of the servers in use, as far as they answer.
    """

    missing_classes: tuple[str, ...] | None = None
    claims: str | None = None
    servers: str | None = None
    majors: Mapping[DatabaseRole, int] | None = None


def restore_checks(source: str) -> Checks:
    """Every verdict on a restore from `source`."""
    return SNAPSHOT_CHECKS if source == "snapshot" else RESTORE_CHECKS


def snapshot_verdicts(facts: RestoreFacts, copies: CopyFacts) -> tuple[Verdict, ...]:
    """Every verdict that the facts allow, in the order of `SNAPSHOT_CHECKS`."""
    of_every_restore = (
        set_proven,
        set_of_this_validator,
        set_age,
        synchronizer_upgrade,
        party_place,
        identity_half,
        original_stopped,
        workloads_known,
        permissions,
    )
    found = [check(facts) for check in of_every_restore]
    manifest = facts.chosen.snapshots
    if manifest is not None:
        of_the_copies = (_storage_class, _space, _throw_away_servers, _versions)
        found += [_set_order(manifest), *(check(manifest, copies) for check in of_the_copies), _way_back()]
    order = list(SNAPSHOT_CHECKS)
    return tuple(sorted((one for one in found if one is not None), key=lambda verdict: order.index(verdict.name)))


def _set_order(manifest: SnapshotManifest) -> Verdict:
    name = "set-order"
    try:
        check_snapshot_order(manifest)
    except UnprovenError as error:
        return refusal(name, str(error), "choose another set")
    app, participant = (manifest.state(role).ledger_offset for role in DatabaseRole)
    return passed(name, f"app at offset {app}, participant's ledger at {participant}; snapshots in their order")


def _storage_class(manifest: SnapshotManifest, copies: CopyFacts) -> Verdict | None:
    name = "storage-class"
    if copies.missing_classes is None:
        return None
    if copies.missing_classes:
        return refusal(
            name,
            f"the claims were of class {', '.join(copies.missing_classes)}, which is not there any more",
            "make the class again, with the driver that took the snapshots",
        )
    return passed(name, ", ".join(sorted({one.source.storage_class for one in manifest.snapshots})))


def _space(manifest: SnapshotManifest, copies: CopyFacts) -> Verdict | None:
    name = "space"
    if copies.claims is None:
        return None
    if copies.claims:
        return refusal(
            name,
            f"the API server would refuse the new claims: {copies.claims}",
            "raise the quota or limit of the namespace, or remove claims that nobody needs",
        )
    sizes = ", ".join(f"{one.claim_size.words} for {one.claim}" for one in manifest.snapshots)
    return passed(name, f"quota and limits of the namespace take new claims: {sizes}")


def _throw_away_servers(manifest: SnapshotManifest, copies: CopyFacts) -> Verdict | None:
    name = "throw-away-servers"
    if copies.servers is None:
        return None
    if copies.servers:
        return refusal(
            name, copies.servers, "put the server's StatefulSet right, or what keeps another pod of it from running"
        )
    servers = sorted({f"statefulset/{one.stateful_set}" for one in manifest.snapshots})
    return passed(name, f"a pod as that of {', '.join(servers)} may run on each new claim")


def _versions(manifest: SnapshotManifest, copies: CopyFacts) -> Verdict | None:
    """The pod is that of the server in use, so that its files must be of the same major version."""
    name = "versions"
    if not copies.majors:
        return None
    taken = {state.role: int(state.server_version.split(".")[0]) for state in manifest.databases}
    others = [
        f"{role}: taken of PostgreSQL {taken[role]}, the server is {major}"
        for role, major in copies.majors.items()
        if taken[role] != major
    ]
    if others:
        return refusal(name, "; ".join(others), "choose a younger set, or give the StatefulSet the image of that time")
    return passed(name, ", ".join(sorted({f"PostgreSQL {major}" for major in copies.majors.values()})))


def _way_back() -> Verdict:
    return passed(
        "way-back", "the present claims stay as they are; when they are switched, their volumes are kept (--back)"
    )
