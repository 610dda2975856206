"""The whole backup of a validator beside what people use: in turn, several times, medians of both.

CATALYX_DR_BENCH_MIB and CATALYX_DR_BENCH_ROUNDS choose the size of the databases and the number of rounds.
"""

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from bench.canton_server import DATABASES, Validator, canton_validator
from bench.measured import Measurement, measured
from bench.pgbackrest import PgBackRest
from bench.rows import Row, report
from catalyx_dr.adapters.volume_store import VolumeStore
from dev.cache_folder import PROJECT_ROOT

_MOST_OF_PG_DUMP, _MOST_OF_PGBACKREST, _MOST_OF_GZIPS_SIZE = 0.25, 0.9, 0.88
_MOST_MEMORY = 150_000_000


def rounds() -> int:
    """How often everything is measured."""
    return int(os.environ.get("CATALYX_DR_BENCH_ROUNDS", "3"))


@dataclass
class Contestant:
    """One way to back up. `take` runs it once; `size` tells the bytes that it left."""

    name: str
    take: Callable[[], Measurement]
    size: Callable[[], int | None] = lambda: None
    runs: list[Measurement] = field(default_factory=list)
    bytes: int | None = None

    def run(self) -> None:
        """Run once more."""
        self.runs.append(self.take())
        self.bytes = self.size()
        print(f"  {self.name}: {self.runs[-1].seconds:.2f} s", flush=True)

    @property
    def seconds(self) -> float:
        """Median."""
        return median(run.seconds for run in self.runs)

    @property
    def peak_bytes(self) -> int:
        """Largest memory of any run."""
        return max(run.peak_bytes for run in self.runs)

    def ratio(self, peer: "Contestant") -> float:
        """Median of the ratios within a round: what slows the machine down slows both."""
        return median(one.seconds / other.seconds for one, other in zip(self.runs, peer.runs, strict=True))


def run() -> None:
    """Measure and report."""
    with canton_validator() as validator:
        print(f"  databases: {validator.bytes / 2**20:.0f} MiB", flush=True)
        report("backup", _rows(validator))


def _rows(validator: Validator) -> list[Row]:
    custom, piped = validator.folder / "custom", validator.folder / "piped"
    both = Contestant("volume and bucket", *_ours(validator, "both"))
    volume = Contestant("volume only", *_ours(validator, "volume", bucket=None))
    bucket = Contestant("bucket only, streamed", *_ours(validator, "bucket", volume=None))
    pg_dump = Contestant("pg_dump -Fc", lambda: _dump(validator, custom, "-Fc > {}"), lambda: _size(custom))
    gzip = Contestant("pg_dump | gzip", lambda: _dump(validator, piped, "| gzip > {}"), lambda: _size(piped))
    full = _pgbackrest("pgBackRest full", PgBackRest.on_disk(validator))
    alike = _pgbackrest("pgBackRest full, encrypted to the store", PgBackRest.at_store(validator))
    copy = Contestant("COPY of every row to nothing", lambda: _copy(validator))
    contestants = (both, full, bucket, alike, pg_dump, volume, gzip, copy)
    for number in range(rounds()):
        print(f"  round {number + 1} of {rounds()}", flush=True)
        for contestant in contestants:
            contestant.run()
    return [
        *(row for ours in (both, bucket) for row in _judged(ours, pg_dump, full, gzip)),
        Row("backup, volume only", volume.seconds, volume.bytes, f"pg_dump -Fc: {pg_dump.seconds:.2f} s",
            volume.ratio(pg_dump)),
        *(Row(f"backup, {ours.name}", ours.seconds, ours.bytes, f"{alike.name}: {alike.seconds:.2f} s",
              ours.ratio(alike)) for ours in (both, bucket)),
        *(Row(f"peer: {peer.name}", peer.seconds, peer.bytes) for peer in (pg_dump, gzip, full, alike, copy)),
    ]  # fmt: skip


def _pgbackrest(name: str, peer: PgBackRest) -> Contestant:
    return Contestant(name, lambda: measured(peer.full_backup, **peer.options), lambda: peer.bytes)


def _judged(ours: Contestant, pg_dump: Contestant, full: Contestant, gzip: Contestant) -> list[Row]:
    name = f"backup, {ours.name}"
    assert ours.bytes is not None
    assert gzip.bytes is not None
    rows = [
        Row(name, ours.seconds, ours.bytes, f"{peer.name}: {peer.seconds:.2f} s", ours.ratio(peer),
            f"at most {most}", ours.ratio(peer) <= most)
        for peer, most in ((pg_dump, _MOST_OF_PG_DUMP), (full, _MOST_OF_PGBACKREST))
    ]  # fmt: skip
    size = ours.bytes / gzip.bytes
    memory = ours.peak_bytes / _MOST_MEMORY
    return [
        *rows,
        Row(f"{name}: size", ours.seconds, ours.bytes, f"{gzip.name}: {gzip.bytes:,}", size,
            f"at most {_MOST_OF_GZIPS_SIZE}", size <= _MOST_OF_GZIPS_SIZE),
        Row(f"{name}: peak memory", ours.seconds, ours.peak_bytes, None, memory,
            f"under {_MOST_MEMORY:,} bytes", memory < 1),
    ]  # fmt: skip


def _ours(
    validator: Validator, name: str, **changes: object
) -> tuple[Callable[[], Measurement], Callable[[], int | None]]:
    folder = job_folder(validator, name)
    assert validator.spec.backup is not None
    spec = validator.spec.model_copy(
        update={"name": f"validator-{name}", "backup": validator.spec.backup.model_copy(update=changes)}
    )
    spec_file = folder / "validator.json"
    spec_file.write_text(spec.model_dump_json())

    def take() -> Measurement:
        return run_job("backup", spec_file, folder)

    def size() -> int | None:
        published = VolumeStore(folder / "volume", spec).published()
        if published:
            return published[0].bytes
        return sum(
            path.stat().st_size for path in (validator.folder / "store" / "data").rglob(f"{spec.name}/**/*.age")
        ) // len(list((validator.folder / "store" / "data").rglob(f"{spec.name}/sets/*")))

    return take, size


def job_folder(validator: Validator, name: str) -> Path:
    """Folder of a job: its volume, its scratch space and its secrets."""
    folder = validator.folder / name
    for part in ("volume", "scratch"):
        (folder / part).mkdir(parents=True)
    shutil.copytree(validator.folder / "secrets", folder / "secrets")
    shutil.copy(validator.folder / "identity", folder)
    return folder


def run_job(what: str, spec_file: Path, folder: Path) -> Measurement:
    """Run the product once, in a process of its own."""
    # As in the image.
    memory = {"MALLOC_ARENA_MAX": "2", "MALLOC_MMAP_THRESHOLD_": str(2**20)}
    environment = {**os.environ, **memory, "PYTHONPATH": str(PROJECT_ROOT)}
    return measured([sys.executable, "-m", "bench.job", what, spec_file, folder], env=environment, cwd=PROJECT_ROOT)


def _dump(validator: Validator, target: Path, ending: str) -> Measurement:
    """Dump both databases, one after the other, with the shell's words `ending` after pg_dump's."""
    program = " ".join(map(str, [validator.program("pg_dump"), *validator.connection]))
    lines = [f"{program} --dbname={name} {ending.format(f'{target}.{name}')}" for name in DATABASES]
    return measured(["bash", "-o", "pipefail", "-c", " && ".join(lines)])


def _size(target: Path) -> int:
    return sum(path.stat().st_size for path in target.parent.glob(f"{target.name}.*"))


def _copy(validator: Validator) -> Measurement:
    """Let the server read every row and write it nowhere."""
    script = "".join(
        f"\\connect {name}\nSELECT format('COPY %s TO ''/dev/null''', c.oid::regclass) FROM pg_class c "
        "WHERE relkind = 'r' AND relnamespace::regnamespace::text IN ('validator', 'participant') \\gexec\n"
        for name in DATABASES
    )
    (validator.folder / "copy.sql").write_text(script)
    psql: list[str | Path] = [validator.program("psql"), *validator.connection, "--quiet", "--dbname=postgres"]
    return measured([*psql, "--set=ON_ERROR_STOP=1", f"--file={validator.folder / 'copy.sql'}"])
