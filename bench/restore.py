"""Loading a set into new databases, as far as the swap, beside pg_restore: in turn, several times, medians of both."""

import subprocess
from pathlib import Path

from bench.backup import Contestant, job_folder, rounds, run_job
from bench.canton_server import DATABASES, Validator, canton_validator
from bench.measured import Measurement, measured
from bench.rows import Row, report

_MOST = 0.75
_MOST_MEMORY = 150_000_000


def run() -> None:
    """Measure and report."""
    with canton_validator() as validator:
        print(f"  databases: {validator.bytes / 2**20:.0f} MiB", flush=True)
        report("restore", _rows(validator))


def _rows(validator: Validator) -> list[Row]:
    folder = job_folder(validator, "restored")
    spec_file = folder / "validator.json"
    spec_file.write_text(validator.spec.model_dump_json())
    run_job("backup", spec_file, folder)
    for name in DATABASES:
        archive = f"--file={_custom(validator, name)}"
        dump: list[str | Path] = [validator.program("pg_dump"), *validator.connection, "-Fc", archive, name]
        subprocess.run(dump, check=True)
    volume = Contestant("from the volume", lambda: run_job("restore-volume", spec_file, folder))
    bucket = Contestant("from the bucket", lambda: run_job("restore-bucket", spec_file, folder))
    peer = Contestant("pg_restore -j2 from a -Fc file", lambda: _pg_restore(validator))
    for number in range(rounds()):
        print(f"  round {number + 1} of {rounds()}", flush=True)
        for contestant in (volume, peer, bucket):
            contestant.run()
            _drop_new(validator)
    rows = []
    for ours in (volume, bucket):
        ratio, memory = ours.ratio(peer), ours.peak_bytes / _MOST_MEMORY
        name = f"restore {ours.name}, checked and proven"
        rows += [
            Row(name, ours.seconds, None, f"{peer.name}: {peer.seconds:.2f} s", ratio, f"at most {_MOST}",
                ratio <= _MOST),
            Row(f"{name}: peak memory", ours.seconds, ours.peak_bytes, None, memory,
                f"under {_MOST_MEMORY:,} bytes", memory < 1),
        ]  # fmt: skip
    return [*rows, Row(f"peer: {peer.name}", peer.seconds)]


def _custom(validator: Validator, name: str) -> Path:
    return validator.folder / f"{name}.custom"


def _pg_restore(validator: Validator) -> Measurement:
    lines = []
    connection = " ".join(validator.connection)
    for name in DATABASES:
        lines.append(f"{validator.program('createdb')} {connection} restored_{name}")
        lines.append(
            f"{validator.program('pg_restore')} {connection} -j2 --dbname=restored_{name} {_custom(validator, name)}"
        )
    return measured(["bash", "-c", " && ".join(lines)])


def _drop_new(validator: Validator) -> None:
    """Remove what was restored, and let the server settle, so that the next begins as the first did."""
    with validator.server.admin("postgres") as connection:
        for name in validator.server.databases():
            if name.startswith(("loading_", "restored_")):
                connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())
        connection.execute("CHECKPOINT")
