"""How the review writes lengths, sizes and texts of a stack file, so that nothing in them acts as Markdown."""

import re
from datetime import timedelta

from catalyx_dr.model.duration import format_duration
from catalyx_dr.rules.encrypted_values import PLACEHOLDER
from catalyx_dr.rules.spec_faults import HIDDEN, is_secret

# An apostrophe inside a word quotes nothing.
_QUOTED = re.compile(r"(?<!\w)'([^']*)'(?!\w)")
# What would be emphasis, a link, HTML, a table cell, code or a mention; the rest reads as it is written.
_ACTIVE = re.compile(r"([\\`*\[\]<>|~])")
_LONGEST = 500


def length(duration: timedelta) -> str:
    """`1 d 12 h`."""
    return re.sub(r"([0-9]+)([dhms])", r" \1 \2", format_duration(duration)).strip()


def code(text: str) -> str:
    """A value as code; an encrypted or secret one is not shown."""
    written = " ".join(text.split())
    # Around blanks the quotes stay, since they would be what is wrong.
    written = written if text == text.strip() else repr(text)
    shown = HIDDEN if is_secret(text, "") else PLACEHOLDER.sub("(encrypted)", written)
    return f"`{shown.replace('`', chr(39)).replace('|', '/')[:_LONGEST]}`" if shown else "(empty)"


def prose(text: str) -> str:
    """A sentence that may quote the stack file: quoted values as code, everything else as plain text."""
    parts = _QUOTED.split(PLACEHOLDER.sub("(encrypted)", text))
    return "".join(code(part) if place % 2 else _plain(part) for place, part in enumerate(parts))


def _plain(text: str) -> str:
    # A mention would notify whoever has that name.
    return _ACTIVE.sub(r"\\\1", re.sub(r"\s+", " ", text)).replace("@", "@\u200b").replace("\\>", ">")


def arrow(old: str, new: str) -> str:
    """`old -> new`, both written already."""
    return f"{old} -> {new}"


def listed(names: list[str]) -> str:
    """`a, b and c`."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
