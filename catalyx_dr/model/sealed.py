"""JSON documents that show when they were changed: a SHA-256 of everything else in them, kept as `seal`."""

import hashlib
import json
from typing import Any

_SEAL = "seal"


def sealed(document: dict[str, Any]) -> bytes:
    """Write a document of plain JSON values with its seal."""
    return json.dumps({**document, _SEAL: _digest(document)}, indent=2).encode()


def unsealed(content: bytes) -> dict[str, Any]:
    """Read a document; raises ValueError for what is no sealed document, or was changed since it was sealed."""
    document = json.loads(content)
    if not isinstance(document, dict):
        raise ValueError("this is no JSON object")
    if document.pop(_SEAL, None) != _digest(document):
        raise ValueError("the contents are not those that were sealed")
    return document


def _digest(document: dict[str, Any]) -> str:
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
