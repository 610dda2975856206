"""The volume grows before the dump; what keeps it from growing is said, and fails the run only when it must."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from catalyx_dr.adapters.backup_claims import ClaimSize
from catalyx_dr.model.backup import BackupVolume
from catalyx_dr.model.errors import CatalyxDrError, RefusedError, UnreachableError
from catalyx_dr.model.quantity import Quantity
from catalyx_dr.model.record import RecordStatus
from catalyx_dr.model.retention import Retention
from catalyx_dr.operations import backup
from catalyx_dr.operations.backup import back_up
from tests.fixtures_validator import Protected

QUOTA = "claim may not grow to 7730941133: exceeded quota: few; raise the ResourceQuota"
MUCH = 2**60


@dataclass
class MemoryClaim:
    """A claim of which a test says how it grows."""

    requested: Quantity
    capacity: Quantity
    refusal: CatalyxDrError | None = None
    done: list[str] = field(default_factory=list)

    def size(self) -> ClaimSize:
        return ClaimSize(self.requested, self.capacity)

    def grow(self, size: Quantity) -> None:
        if self.refusal:
            raise self.refusal
        self.done.append(f"grow {size}")
        self.requested = size

    def wait_grown(self, size: Quantity) -> None:
        self.done.append(f"wait for {size}")
        self.capacity = size


def of(size: str, refusal: CatalyxDrError | None = None) -> MemoryClaim:
    return MemoryClaim(Quantity.parse(size), Quantity.parse(size), refusal)


@pytest.fixture
def too_large(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Let the next set be expected to be larger than any disk."""
    return lambda: monkeypatch.setattr(backup, "expected_set_bytes", lambda databases, previous: MUCH)


def test_it_grows_to_the_vendors_size_and_the_record_tells(protected: Protected) -> None:
    claim = of("1Gi")
    record = back_up(protected.spec, protected.surroundings, claim)
    # 3 sets x (1 Gi + 1 Gi), and 20 % headroom.
    assert claim.done == ["grow 7730941133", "wait for 7730941133"]
    assert record.details["volume"] == {"from": "1Gi", "to": "7730941133", "why": "3 x 2 GiB and 20 % headroom"}
    assert "attention" not in record.message


def test_a_larger_one_is_left_alone(protected: Protected, capsys: pytest.CaptureFixture[str]) -> None:
    claim = of("20Gi")
    back_up(protected.spec, protected.surroundings, claim)
    assert claim.done == []
    assert "the volume stays 20 GiB (7.2 GiB would be enough, but a volume never shrinks)" in capsys.readouterr().out


def test_a_growth_that_was_asked_for_before_is_waited_for(protected: Protected) -> None:
    claim = MemoryClaim(Quantity.parse("20Gi"), Quantity.parse("1Gi"))
    back_up(protected.spec, protected.surroundings, claim)
    assert claim.done == ["wait for 20Gi"]


@pytest.mark.parametrize("refusal", [RefusedError(QUOTA), UnreachableError("claim asks for 8Gi and has 1Gi: Resizing")])
def test_a_set_that_fits_is_taken_although_the_volume_cannot_grow(
    protected: Protected, refusal: CatalyxDrError
) -> None:
    record = back_up(protected.spec, protected.surroundings, of("1Gi", refusal))
    assert record.status is RecordStatus.COMPLETED
    assert f"attention: the volume did not grow: {refusal}" in record.message
    assert protected.set_ids == [record.identifier]


def test_a_set_that_does_not_fit_is_refused_with_the_reason(
    protected: Protected, too_large: Callable[[], None]
) -> None:
    back_up(protected.spec, protected.surroundings)
    earlier = protected.set_ids
    protected.clock.next_day()
    too_large()
    with pytest.raises(RefusedError, match=rf"expected to take {MUCH}; the volume did not grow: {QUOTA}"):
        back_up(protected.spec, protected.surroundings, of("1Gi", RefusedError(QUOTA)))
    assert protected.set_ids == earlier
    assert QUOTA in protected.records[0].message


def test_the_limit_is_named_when_it_is_reached(protected: Protected) -> None:
    volume = BackupVolume(storage_class="standard", retention=Retention(keep=3), limit=Quantity.parse("4Gi"))
    claim = of("1Gi")
    record = back_up(protected.declared(volume=volume).spec, protected.surroundings, claim)
    assert claim.done == ["grow 4Gi", "wait for 4Gi"]
    assert "attention: the volume's limit of 4 GiB is reached, 7.2 GiB would be right" in record.message
