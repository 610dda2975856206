"""One backup, adoption or recovery of a validator at a time: by its volume's lock, else by a Lease."""

from collections.abc import Iterator
from contextlib import contextmanager

from catalyx_dr.adapters.run_lease import Held, NoLeases
from catalyx_dr.adapters.volume_store import only_run
from catalyx_dr.model.validator_spec import ValidatorSpec
from catalyx_dr.operations.surroundings import Surroundings


@contextmanager
def one_run(spec: ValidatorSpec, surroundings: Surroundings) -> Iterator[Held]:
    """Keep other runs away while the block runs; raises RefusedError at once when another goes on.

    What was taken is checked before anything is made final: a Lease may be lost, a volume's lock is not.
    """
    if spec.backup is not None and spec.backup.volume is not None and surroundings.volume.is_dir():
        with only_run(surroundings.volume):
            yield NoLeases()
    else:
        with surroundings.leases.only_run(spec.name) as held:
            yield held
