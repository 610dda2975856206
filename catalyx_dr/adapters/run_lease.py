"""One run of a validator at a time where no volume can be locked: a Lease in its namespace, renewed while it runs."""

import os
import socket
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from threading import Event, Lock, Thread
from typing import Protocol

from lightkube.core.exceptions import ApiError
from lightkube.models.coordination_v1 import LeaseSpec
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.coordination_v1 import Lease

from catalyx_dr.adapters.cluster import Cluster, explained, if_there, labels
from catalyx_dr.model.errors import CatalyxDrError, RefusedError

# A run that is killed leaves its lease; after this the next may begin.
LEASE_DURATION = timedelta(seconds=90)
_ANY_RUN = "backup or recovery"
# How often it is renewed before it would run out.
_RENEWALS = 6
_CONFLICT = 409


class Held(Protocol):
    """A lease that this run has taken."""

    def check(self) -> None:
        """Raise CatalyxDrError when the lease may be another run's by now."""


class RunLeases(Protocol):
    """Where leases are kept."""

    def only_run(self, validator: str, what: str = _ANY_RUN) -> AbstractContextManager[Held]:
        """Hold the validator's lease for `what` while the block runs; raises RefusedError at once when it is held."""


class ClusterLeases:
    """Leases in a cluster."""

    def __init__(self, cluster: Cluster, duration: timedelta = LEASE_DURATION) -> None:
        self._cluster = cluster
        self._duration = duration

    @contextmanager
    def only_run(self, validator: str, what: str = _ANY_RUN) -> Iterator[Held]:
        """Take the Lease `catalyx-dr-<validator>` and renew it in the background; that of a drill has a longer name."""
        lease = _ClusterLease(self._cluster, validator, what, self._duration)
        lease.take()
        try:
            yield lease
        finally:
            lease.release()


class _ClusterLease:
    def __init__(self, cluster: Cluster, validator: str, what: str, duration: timedelta) -> None:
        self._cluster, self._what = cluster, what
        self._name = f"catalyx-dr-{validator}" if what == _ANY_RUN else f"catalyx-dr-{validator}-{what}"
        self._labels = labels(validator)
        self._duration = duration
        self._holder = f"{socket.gethostname()}-{os.getpid()}-{os.urandom(4).hex()}"
        self._lease: Lease | None = None
        self._renewed = datetime.now(UTC)
        self._released = Event()
        self._writing = Lock()
        self._renewing = Thread(target=self._keep_renewing, daemon=True)

    def take(self) -> None:
        """Take it when it is free or has run out."""
        found = self._find()
        if found is not None:
            self._check_free(found)
        with explained(f"take Lease {self._cluster.namespace}/{self._name}"):
            try:
                self._write(found)
            except ApiError as error:
                if error.status.code == _CONFLICT:
                    raise self._refusal("another run, which was a moment faster") from None
                raise
        self._renewing.start()

    def check(self) -> None:
        """See that it was renewed in time, or still can be: whoever takes it changes it, and then it cannot."""
        if self._is_late():
            self._renew()
        if self._is_late():
            raise CatalyxDrError(
                f"Lease {self._cluster.namespace}/{self._name} could not be renewed since {self._renewed:%H:%M:%S}, so "
                "another run may have begun; nothing is published, run again"
            )

    def release(self) -> None:
        """Let others take it at once."""
        self.stop_renewing()
        with suppress(CatalyxDrError), explained(f"release Lease {self._name}"):
            self._write(self._lease, released=True)

    def stop_renewing(self) -> None:
        """Let it run out."""
        self._released.set()
        self._renewing.join()

    def _find(self) -> Lease | None:
        return if_there(
            f"read Lease {self._cluster.namespace}/{self._name}",
            lambda: self._cluster.client.get(Lease, self._name, namespace=self._cluster.namespace),
        )

    def _check_free(self, found: Lease) -> None:
        spec = found.spec or LeaseSpec()
        if not spec.holderIdentity or spec.renewTime is None:
            return
        runs_out = spec.renewTime + timedelta(seconds=spec.leaseDurationSeconds or 0)
        if runs_out > datetime.now(UTC):
            raise self._refusal(f"{spec.holderIdentity} until {runs_out:%H:%M:%S} UTC, if it does not renew it")

    def _refusal(self, holder: str) -> RefusedError:
        return RefusedError(
            f"another {self._what} of this validator is running (Lease {self._cluster.namespace}/{self._name} is held "
            f"by {holder}); wait until it ends"
        )

    def _write(self, found: Lease | None, *, released: bool = False) -> None:
        """Create or replace it; the API refuses a replacement of what somebody else has changed meanwhile."""
        now = datetime.now(UTC)
        spec = LeaseSpec(
            holderIdentity="" if released else self._holder,
            leaseDurationSeconds=int(self._duration.total_seconds()),
            renewTime=now,
        )
        metadata = ObjectMeta(name=self._name, namespace=self._cluster.namespace, labels=self._labels)
        if found is not None and found.metadata is not None:
            metadata.resourceVersion = found.metadata.resourceVersion
            self._lease = self._cluster.client.replace(Lease(metadata=metadata, spec=spec))
        else:
            self._lease = self._cluster.client.create(Lease(metadata=metadata, spec=spec))
        self._renewed = now

    def _is_late(self) -> bool:
        return datetime.now(UTC) - self._renewed > self._duration

    def _keep_renewing(self) -> None:
        while not self._released.wait(self._duration.total_seconds() / _RENEWALS):
            self._renew()

    def _renew(self) -> None:
        with self._writing, suppress(CatalyxDrError), explained("renew"):
            try:
                self._write(self._lease)
            except ApiError as error:
                if error.status.code != _CONFLICT:
                    raise
                self._take_note(self._find())

    def _take_note(self, found: Lease | None) -> None:
        """A renewal whose answer was lost was one; the next goes on from there."""
        if found is not None and found.spec is not None and found.spec.holderIdentity == self._holder:
            self._lease = found
            self._renewed = found.spec.renewTime or self._renewed


class NoLeases:
    """No cluster to keep leases in: the caller sees to it that there is one run."""

    @contextmanager
    def only_run(self, validator: str, what: str = _ANY_RUN) -> Iterator[Held]:
        """Hold nothing."""
        yield self

    def check(self) -> None:
        """Nothing can be lost."""
