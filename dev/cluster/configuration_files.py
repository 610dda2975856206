"""Writing the configuration of the cluster's processes."""

import json
from pathlib import Path
from typing import Any


def write_when_changed(path: Path, content: str) -> Path:
    """Write the file, readable to its owner alone, unless it has this content: some processes end on any write."""
    if not path.exists() or path.read_text() != content:
        path.touch(mode=0o600)
        path.write_text(content)
    return path


def write_json(path: Path, content: Any) -> Path:
    """The same for a document, as JSON, which every reader of YAML takes."""
    return write_when_changed(path, json.dumps(content, indent=2) + "\n")
