"""One run of the product in a process of its own, as in its pod: `python -m bench.job WHAT SPEC FOLDER`."""

import sys
from pathlib import Path

from catalyx_dr.adapters.bucket_sets import BucketSets
from catalyx_dr.adapters.bucket_store import BucketStore
from catalyx_dr.adapters.encryption import AgeIdentities
from catalyx_dr.adapters.records import LegibleRecords
from catalyx_dr.adapters.secret_files import SecretFiles
from catalyx_dr.adapters.volume_store import VolumeStore
from catalyx_dr.model.record import Record, RecordKind
from catalyx_dr.model.validator_spec import ValidatorSpec
from catalyx_dr.operations.backup import back_up
from catalyx_dr.operations.loading import load_all, prove_order, targets_of, try_schemas
from catalyx_dr.operations.restore_source import BucketSource, RestoreSource, VolumeSource, check_set
from catalyx_dr.operations.surroundings import Surroundings


class _NoHistory:
    """Records that nobody reads: only what a pod loads too is loaded here."""

    def save(self, record: Record) -> None:
        pass

    def find(self, kind: RecordKind, validator: str, identifier: str) -> Record | None:
        return None

    def list(self, validator: str | None = None, kind: RecordKind | None = None) -> list[Record]:
        return []

    def legible(self, validator: str | None = None, kind: RecordKind | None = None) -> LegibleRecords:
        return LegibleRecords([])

    def delete(self, record: Record) -> None:
        pass


def main(what: str, spec_file: str, folder_name: str) -> None:
    """Back up, or restore the newest set as far as the swap, from the volume or the bucket."""
    spec, folder = ValidatorSpec.model_validate_json(Path(spec_file).read_bytes()), Path(folder_name)
    surroundings = Surroundings(_NoHistory(), SecretFiles(folder / "secrets"), folder / "volume", folder / "scratch")
    if what == "backup":
        back_up(spec, surroundings)
    else:
        _restore(spec, surroundings, _source(what, spec, surroundings, folder))


def _source(what: str, spec: ValidatorSpec, surroundings: Surroundings, folder: Path) -> RestoreSource:
    if what == "restore-volume":
        return VolumeSource(VolumeStore(surroundings.volume, spec))
    assert spec.backup is not None
    assert spec.backup.bucket is not None
    sets = BucketSets(BucketStore.reach(spec.backup.bucket, surroundings.secrets), spec)
    return BucketSource(sets, AgeIdentities.read(folder / "identity"), surroundings.scratch)


def _restore(spec: ValidatorSpec, surroundings: Surroundings, source: RestoreSource) -> None:
    manifest = source.manifest(max(capture.identifier for capture in source.captures()))
    assert spec.backup is not None
    jobs = spec.backup.parallel_jobs
    targets = targets_of(spec, manifest, "bench", surroundings)
    folder = source.fetch(manifest)
    check_set(manifest, folder, jobs)
    try_schemas(targets, folder)
    load_all(targets, manifest, folder, jobs, print)
    prove_order(targets, lambda target: target.loading)
    source.release(manifest)


if __name__ == "__main__":
    main(*sys.argv[1:])
