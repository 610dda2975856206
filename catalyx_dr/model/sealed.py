"""JSON documents that show when they were changed: a SHA-256 of everything else in them, kept as `seal`."""

import hashlib
import json
from typing import Any

_SEAL = "seal"


def sealed(document: dict[str, Any]) -> bytes:
    """Write a document of plain JSON values with its seal."""
    return json.dumps({**document, _SEAL: _digest(document)}, indent=2).encode()


def unsealed(content: bytes) -> dict[str, Any]:
    """Read a document; raises ValueError for anything but what `sealed` wrote, to the last byte."""
    try:
        document = json.loads(content)
    except RecursionError:
        raise ValueError("this is no sealed document") from None
    if not isinstance(document, dict):
        raise ValueError("this is no JSON object")
    document.pop(_SEAL, None)
    if sealed(document) != content:
        raise ValueError("this is not what was sealed")
    return document


def _digest(document: dict[str, Any]) -> str:
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
