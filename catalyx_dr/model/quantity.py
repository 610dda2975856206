"""Storage sizes exactly as the Kubernetes API server accepts them."""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Self

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

_BINARY = {suffix: 1024**power for power, suffix in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), start=1)}
_DECIMAL = {suffix: 1000**power for power, suffix in enumerate(("k", "M", "G", "T", "P", "E"), start=1)}
_FRACTION = {suffix: Decimal(1).scaleb(-3 * power) for power, suffix in enumerate(("m", "u", "n"), start=1)}
_MULTIPLIERS: dict[str, int | Decimal] = {"": 1, **_BINARY, **_DECIMAL, **_FRACTION}
# A number, and a unit or a decimal exponent; as the API server's own parser has it.
_PATTERN = r"^\+?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3}|Ki|Mi|Gi|Ti|Pi|Ei|[kMGTPEmun])?$"
_GRAMMAR = re.compile(_PATTERN)
# What Kubernetes can count.
LARGEST = 2**63 - 1
_LONGEST_EXACT = 10_000


@dataclass(frozen=True, order=True)
class Quantity:
    """A whole number of bytes, written as a Kubernetes quantity (`10Gi`, `1500M`, `4096`)."""

    bytes: int

    def __post_init__(self) -> None:
        if self.bytes < 0:
            raise ValueError(f"a size cannot be negative: {self.bytes} bytes")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `text`; raises ValueError for what the API server refuses (`1 Gi`, `1K`) and for part bytes."""
        match = _GRAMMAR.fullmatch(text)
        if match is None:
            raise ValueError(
                f"{text!r} is no size; write a number and one of {', '.join([*_BINARY, *_DECIMAL])}, "
                "without a space, for example 10Gi"
            )
        digits, suffix = match[1], match[2] or ""
        exponent = suffix not in _MULTIPLIERS
        number = Decimal(digits + suffix) if exponent else Decimal(digits) * _MULTIPLIERS[suffix]
        if number > LARGEST:
            raise ValueError(f"{text!r} is larger than any volume; Kubernetes counts up to {LARGEST} bytes")
        if number != int(number):
            raise ValueError(f"{text!r} is not a whole number of bytes; use a smaller unit")
        return cls(int(number))

    def __str__(self) -> str:
        """Shortest exact form, binary unit first, so that reading it back gives the same size."""
        for suffix, multiplier in reversed(_BINARY.items()):
            if self.bytes and self.bytes % multiplier == 0:
                return f"{self.bytes // multiplier}{suffix}"
        return str(self.bytes)

    @property
    def words(self) -> str:
        """For people: exactly where four digits are enough (`1536 GiB`), else to a tenth of its unit (`22.3 TiB`)."""
        for suffix, multiplier in reversed(_BINARY.items()):
            whole, rest = divmod(self.bytes, multiplier)
            if whole and not rest and whole < _LONGEST_EXACT:
                return f"{whole} {suffix}B"
        for suffix, multiplier in reversed(_BINARY.items()):
            if self.bytes >= multiplier:
                return f"{self.bytes / multiplier:.1f}".removesuffix(".0") + f" {suffix}B"
        return f"{self.bytes} bytes"

    def __add__(self, other: Self) -> "Quantity":
        return Quantity(self.bytes + other.bytes)

    def __mul__(self, count: int) -> "Quantity":
        return Quantity(self.bytes * count)

    @classmethod
    def _read(cls, value: object) -> Self:
        if isinstance(value, cls):
            return value
        if isinstance(value, int) and not isinstance(value, bool):
            if value > LARGEST:
                raise ValueError(f"{value} is larger than any volume; Kubernetes counts up to {LARGEST} bytes")
            return cls(value)
        if isinstance(value, str):
            return cls.parse(value)
        raise ValueError(f"{value!r} is no size; write for example 10Gi")

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Let pydantic models hold quantities: strings in, strings out."""
        return core_schema.no_info_plain_validator_function(
            cls._read, serialization=core_schema.plain_serializer_function_ser_schema(str, when_used="json")
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Describe the grammar to editors."""
        return {"type": ["string", "integer"], "pattern": _PATTERN, "minimum": 0, "examples": ["10Gi"]}
