"""A container that only starts and ends: when it is given up, and what may be told of its log."""

import re

# The kubelet needs some five minutes for so many.
HOPELESS_RESTARTS = 5
_LINES = 5
_LONGEST_LINE = 300
_HIDDEN = "(hidden)"
_NAMED = re.compile(
    r"""((?:password|passwd|secret|token|credential|private[-_]?key|access[-_]?key)[\w-]*["']?\s*[:=]\s*)"""
    r"""(?:"[^"]*"|'[^']*'|[^\s,;}]+)""",
    re.IGNORECASE,
)
_SHAPED = re.compile(
    r"AGE-SECRET-KEY-\w+|\b(?:Bearer|Basic)\s+\S+|eyJ[\w-]+\.[\w.-]+|(?<=//)[^/@\s]+(?=@)|-----BEGIN.*", re.IGNORECASE
)
# Base64 of a key; a participant's fingerprint is hexadecimal, and a path or class has no such mixture.
_ENCODED = re.compile(r"[A-Za-z0-9+/_-]{32,}={0,2}")


def last_words(log: str) -> tuple[str, ...]:
    """The last lines of a log, shortened, without what is or may be a secret."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    return tuple(_without_secrets(line)[:_LONGEST_LINE] for line in lines[-_LINES:])


def _without_secrets(line: str) -> str:
    named = _NAMED.sub(lambda found: f"{found[1]}{_HIDDEN}", _SHAPED.sub(_HIDDEN, line))
    return _ENCODED.sub(lambda found: _HIDDEN if _may_be_a_key(found[0]) else found[0], named)


def _may_be_a_key(text: str) -> bool:
    return all(any(test(letter) for letter in text) for test in (str.islower, str.isupper, str.isdigit))
