"""As a program: a backup by snapshots, a restore, a switch or a drill, killed after its first write of a new kind.

So the same program, run again and again until it ends by itself, is killed once after every single write.
"""

import json
import os
import signal
import sys
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from catalyx_dr.adapters.cluster import Cluster, connect
from catalyx_dr.adapters.records import ClusterRecords
from catalyx_dr.adapters.run_lease import NoLeases
from catalyx_dr.adapters.secret_files import SecretFiles
from catalyx_dr.adapters.volume_snapshots import ClusterSnapshots
from catalyx_dr.model.validator_spec import ValidatorSpec
from catalyx_dr.operations.claim_switch import ClaimSwitch
from catalyx_dr.operations.restore import RestoreOrder
from catalyx_dr.operations.snapshot_backup import snapshot
from catalyx_dr.operations.snapshot_drill import drill_snapshots
from catalyx_dr.operations.snapshot_restore import restore_snapshots
from catalyx_dr.operations.surroundings import Surroundings
from dev.cluster import kubeconfig_path
from tests.local_cluster.database_servers import TEST_PATIENCE

# What only asks, and what is written again and again.
_NO_WRITES = ("SelfSubjectAccessReview", "Lease")


@dataclass(frozen=True)
class Killer:
    """Ends this process after a write that is not among those in `seen`; `kinds`: those that count, all when empty."""

    seen: Path
    kinds: tuple[str, ...]

    def after(self, verb: str, kind: str, name: str, content: object) -> None:
        """Note the write; the first time, nobody hears of its success."""
        if kind in _NO_WRITES or (self.kinds and kind not in self.kinds):
            return
        write = json.dumps([verb, kind, name, content], sort_keys=True, default=str)
        known = self.seen.read_text().splitlines() if self.seen.exists() else []
        if write not in known:
            self.seen.write_text("\n".join([*known, write]))
            os.kill(os.getpid(), signal.SIGKILL)


class FatalClient:
    """The client, with a killer behind every write."""

    def __init__(self, client: Any, killer: Killer) -> None:
        self._client, self._killer = client, killer

    def __getattr__(self, name: str) -> Any:
        """Everything that only reads."""
        return getattr(self._client, name)

    def create(self, wanted: Any, **options: Any) -> Any:
        """Create, unless only asked."""
        made = self._client.create(wanted, **options)
        if not options.get("dry_run"):
            self._killer.after("create", type(wanted).__name__, wanted.metadata.name if wanted.metadata else "", None)
        return made

    def patch(self, kind: type, name: str, patch: Any, **options: Any) -> Any:
        """Change."""
        changed = self._client.patch(kind, name, patch, **options)
        self._killer.after("patch", kind.__name__, name, patch)
        return changed

    def delete(self, kind: type, name: str, **options: Any) -> None:
        """Delete; what was not there is no write."""
        self._client.delete(kind, name, **options)
        self._killer.after("delete", kind.__name__, name, None)

    def apply(self, wanted: Any, **options: Any) -> Any:
        """Keep a record: its phase, and of what it tells, are what differs."""
        kept = self._client.apply(wanted, **options)
        record = json.loads(wanted.data["record.json"])
        self._killer.after("apply", "Record", record["kind"], [record["phase"], sorted(record["details"])])
        return kept


def main(operation: str, spec: str, folder: str, now: str, request_id: str, *kinds: str) -> None:
    """Run the operation as its command would, at a moment of the test's clock."""
    validator, place = ValidatorSpec.model_validate_json(spec), Path(folder)
    with closing(connect(validator.namespace, str(kubeconfig_path()))) as real:
        killer = Killer(place / f"writes-{operation}-{request_id}", kinds)
        cluster = Cluster(FatalClient(real.client, killer), validator.namespace)  # type: ignore[arg-type]
        records = ClusterRecords(cluster)
        moment = datetime.fromisoformat(now)
        surroundings = Surroundings(records, SecretFiles(place / "secrets"), scratch=place, now=lambda: moment)
        store = ClusterSnapshots(cluster, validator.name)
        if operation == "restore":
            order = RestoreOrder("latest", request_id, "snapshot")
            restore_snapshots(validator, order, surroundings, cluster, store, TEST_PATIENCE)
        elif operation == "backup":
            snapshot(validator, surroundings, store)
        elif operation == "drill":
            drill_snapshots(validator, surroundings, cluster, store, TEST_PATIENCE)
        else:
            ClaimSwitch(validator, request_id, records, NoLeases(), cluster, print, TEST_PATIENCE).apply()


if __name__ == "__main__":
    main(*sys.argv[1:])
