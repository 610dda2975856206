"""Sizes at a real API server: what is accepted here is accepted there, as the same number of bytes."""

import pytest
from lightkube import Client
from lightkube.core.exceptions import ApiError
from lightkube.resources.core_v1 import PersistentVolumeClaim

from catalyx_dr.model.quantity import Quantity

pytestmark = pytest.mark.cluster
SIZES = (
    *("1", "10Gi", "1.5Gi", ".5Gi", "5.Ki", "1k", "1500M", "2E", "1e3", "1E3", "1.5e+3", "+7", "5000m", "007Mi", "1Ei"),
    *("1 Gi", "1K", "1ki", "1KB", "1GB", "1gi", "Gi", "-1Gi", "1.2.3", "0x10", "1_000", "1e", "ten", "1Zi", "", "3u"),
    *("1,5Gi", "1Gi1", "1E6", "1e6Gi", "12e3", "1M", "1Mi", "999P", "0.5Mi", "1G", "1T", "3000000u", "1Gi\n"),
)
# Accepted there, refused here on purpose: no volume has parts of a byte, and blanks are a slip.
STRICTER = ("1m", "1.5", "0.3Ki", "3u", " 1Gi", "1Gi ")


def taken_for(client: Client, namespace: str, size: str) -> str | None:
    """How the API server writes a claim of that size, or None when it refuses it."""
    document = {
        "metadata": {"name": "a", "namespace": namespace},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}},
    }
    claim = PersistentVolumeClaim.from_dict(document)
    try:
        answer = client.create(claim, dry_run=True)  # type: ignore[call-overload]
    except ApiError as error:
        if error.status.reason in ("Invalid", "BadRequest"):
            return None
        raise
    written: str = answer.spec.resources.requests["storage"]
    return written


def read(text: str) -> int | None:
    try:
        return Quantity.parse(text).bytes
    except ValueError:
        return None


def test_sizes(client: Client, namespace: str) -> None:
    there = {size: taken_for(client, namespace, size) for size in SIZES if size not in STRICTER}
    here = {size: read(size) for size in there}
    assert {size: there[size] for size in there if (there[size] is None) != (here[size] is None)} == {}
    assert {size: read(written) for size, written in there.items() if written is not None} == {
        size: count for size, count in here.items() if count is not None
    }


def test_what_is_stricter_here(client: Client, namespace: str) -> None:
    assert all(taken_for(client, namespace, size) for size in STRICTER)
    assert not any(map(read, STRICTER))


def test_what_is_written_is_read_there_as_the_same(client: Client, namespace: str) -> None:
    for count in (1, 1023, 1024, 10**9, 2**40, 3 * 2**29, 2**62, 2**63 - 1):
        written = str(Quantity(count))
        assert read(taken_for(client, namespace, written) or "") == count
