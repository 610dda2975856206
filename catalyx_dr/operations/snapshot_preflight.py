"""Everything that is known before a restore from snapshots makes anything, looked up read-only by the Job."""

from collections.abc import Mapping
from contextlib import suppress

from catalyx_dr.adapters.cluster import Cluster
from catalyx_dr.adapters.postgres import PostgresServer
from catalyx_dr.adapters.restored_claims import missing_classes, refused_claims
from catalyx_dr.adapters.trial_server import refused_trials
from catalyx_dr.adapters.volume_snapshots import IN_SNAPSHOTS, SnapshotStore, captures, usable
from catalyx_dr.model.databases import DatabaseRole
from catalyx_dr.model.errors import CatalyxDrError, RefusedError
from catalyx_dr.model.object_names import ObjectNames
from catalyx_dr.model.record import RecordKind
from catalyx_dr.model.snapshot_set import SnapshotCapture, SnapshotManifest
from catalyx_dr.model.validator_spec import ValidatorSpec
from catalyx_dr.operations.restore import RestoreOrder
from catalyx_dr.operations.restore_preflight import around
from catalyx_dr.operations.surroundings import Surroundings
from catalyx_dr.rules.recovery import choose
from catalyx_dr.rules.restore_preflight import SetFacts
from catalyx_dr.rules.snapshot_preflight import SNAPSHOT_CHECKS, CopyFacts, snapshot_verdicts
from catalyx_dr.rules.verdict import Verdict, overridden


def choose_snapshots(
    spec: ValidatorSpec, selector: str, surroundings: Surroundings, store: SnapshotStore
) -> SnapshotManifest:
    """Set that `selector` names; raises RefusedError, which lists what there is, when none can be used."""
    found, records = store.found(), surroundings.records.list(spec.name, RecordKind.BACKUP_SET)
    chosen = choose(captures(spec, found, records), selector).identifier
    return {manifest.set_id: manifest for manifest in usable(spec, found, records)}[chosen]


def snapshot_facts(spec: ValidatorSpec, selector: str, surroundings: Surroundings, store: SnapshotStore) -> SetFacts:
    """The same for a preflight, which tells every other verdict too."""
    try:
        manifest = choose_snapshots(spec, selector, surroundings, store)
    except CatalyxDrError as error:
        return SetFacts(None, IN_SNAPSHOTS, fault=str(error))
    return SetFacts(manifest.set_id, IN_SNAPSHOTS, snapshots=manifest)


def verdicts_on(
    spec: ValidatorSpec, order: RestoreOrder, chosen: SetFacts, surroundings: Surroundings, cluster: Cluster
) -> tuple[Verdict, ...]:
    """Every verdict on the restore of the chosen set, overrides applied."""
    manifest = chosen.snapshots
    copies = CopyFacts()
    if manifest is not None:
        names = ObjectNames.of(spec)
        wanted = {names.restored(order.request_id, one.part): one for one in manifest.snapshots}
        copies = _copies(spec, wanted, surroundings, cluster)
    verdicts = snapshot_verdicts(around(spec, chosen, surroundings, cluster), copies)
    return overridden(verdicts, order.overrides, SNAPSHOT_CHECKS)


def preflight(
    spec: ValidatorSpec, order: RestoreOrder, surroundings: Surroundings, cluster: Cluster, store: SnapshotStore
) -> tuple[Verdict, ...]:
    """Every verdict on a restore from snapshots; touches nothing."""
    return verdicts_on(spec, order, snapshot_facts(spec, order.set_id, surroundings, store), surroundings, cluster)


def _copies(
    spec: ValidatorSpec, wanted: Mapping[str, SnapshotCapture], surroundings: Surroundings, cluster: Cluster
) -> CopyFacts:
    missing: tuple[str, ...] | None = None
    claims = servers = None
    # Classes belong to the whole cluster, and the Job's Role is of a namespace: mostly only a preview sees them.
    with suppress(RefusedError):
        missing = missing_classes(cluster, (one.source.storage_class for one in wanted.values()))
    with suppress(RefusedError):
        claims = refused_claims(cluster, spec.name, wanted)
    with suppress(RefusedError):
        servers = refused_trials(cluster, spec.name, wanted)
    return CopyFacts(missing, claims, servers, _majors(spec, surroundings))


def _majors(spec: ValidatorSpec, surroundings: Surroundings) -> dict[DatabaseRole, int]:
    """Versions of the servers in use; one that is lost cannot tell, and need not."""
    found = {}
    for role in DatabaseRole:
        with suppress(CatalyxDrError):
            server = PostgresServer.reach(spec.databases.server_of(role), surroundings.secrets)
            found[role] = server.version().major
    return found
