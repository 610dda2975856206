"""Contracts and offsets as they travel between participant, validator app and Scan."""

import base64
import hashlib
import json
import secrets
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Self

_SPLICE_AMULET_PACKAGE = hashlib.sha256(b"splice-amulet").hexdigest()
_ACME_PACKAGE = hashlib.sha256(b"acme-registry").hexdigest()

AMULET = f"{_SPLICE_AMULET_PACKAGE}:Splice.Amulet:Amulet"
VALIDATOR_LICENSE = f"{_SPLICE_AMULET_PACKAGE}:Splice.ValidatorLicense:ValidatorLicense"
# A contract of an application of the validator's own: Scan never sees it, so that no import brings it back.
ACME_RECORD = f"{_ACME_PACKAGE}:Acme.Registry:Record"

TEMPLATES_SEEN_BY_SCAN = (AMULET, VALIDATOR_LICENSE)
SYNCHRONIZER_ALIAS = "global"
LARGEST_AMOUNT = 10**18


@dataclass(frozen=True)
class Contract:
    """A contract with the fields of the interface's schema `Contract`."""

    template_id: str
    contract_id: str
    payload: dict[str, Any]
    created_event_blob: str
    created_at: str

    @classmethod
    def create(cls, template_id: str, payload: dict[str, Any]) -> Self:
        """Make a contract with a new id, created now."""
        blob = base64.b64encode(json.dumps(payload).encode()).decode()
        created = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        return cls(template_id, "00" + secrets.token_hex(68), payload, blob, created)

    @property
    def qualified_name(self) -> str:
        """Module and entity of the template, without its package."""
        return self.template_id.split(":", 1)[1]

    @property
    def package_id(self) -> str:
        """Package of the template."""
        return self.template_id.split(":", 1)[0]

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """Read what `to_json` wrote; raises TypeError for other fields."""
        return cls(**value)


def amulet(dso_party: str, owner: str, amount: Decimal) -> Contract:
    """A holding of so many Canton Coin."""
    payload = {
        "dso": dso_party,
        "owner": owner,
        "amount": {
            "initialAmount": format_amount(amount),
            "createdAt": {"number": str(current_round())},
            "ratePerRound": {"rate": "0.0000000000"},
        },
    }
    return Contract.create(AMULET, payload)


def parse_amount(text: object) -> Decimal:
    """A positive amount of at most ten decimal places; raises ValueError for anything else."""
    try:
        amount = Decimal(str(text))
    except InvalidOperation:
        raise ValueError(f"amount: {text!r} is no decimal number") from None
    exponent = amount.as_tuple().exponent
    if not amount.is_finite() or not 0 < amount < LARGEST_AMOUNT or not isinstance(exponent, int) or exponent < -10:
        raise ValueError(f"amount: {text!r} must be positive, below {LARGEST_AMOUNT}, with at most ten decimal places")
    return amount


def format_amount(amount: Decimal) -> str:
    """Ten decimal places, as a Daml `Numeric 10` is written."""
    return f"{amount:.10f}"


def current_round() -> int:
    """Number of the mining round: one every ten minutes."""
    return int(datetime.now(UTC).timestamp()) // 600


def encode_offset(offset: int) -> str:
    """An offset as the validator app stores it: a version byte and eight bytes, in hex."""
    return f"00{offset:016x}"


def decode_offset(text: str) -> int:
    """Read what `encode_offset` wrote."""
    return int(text, 16)
