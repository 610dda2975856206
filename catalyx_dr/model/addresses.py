"""Hosts and URLs as a stack file writes them, checked as far as their text alone tells."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, StringConstraints


def check_url(url: str) -> str:
    """Return `url` when it can be asked as it stands; raise ValueError for what only looks like an address."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError(_told(url, "its host or port is none; ports are 1 to 65535")) from None
    if not parts.hostname or port == 0:
        raise ValueError(_told(url, "its host or port is none; ports are 1 to 65535"))
    if parts.username is not None:
        raise ValueError(_told(url, "a user or password does not belong in it; name a Secret where one is needed"))
    if parts.query or parts.fragment:
        raise ValueError(_told(url, "? and # do not belong in it, since a path is added"))
    return url


def _told(url: str, why: str) -> str:
    return f"{url!r} is no address that can be asked: {why}; write for example http://validator-app:5003"


Host = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]([-A-Za-z0-9._]*[A-Za-z0-9])?$|^[0-9a-fA-F:]+$")]
Url = Annotated[str, StringConstraints(pattern=r"^https?://[^/\s]+(/\S*)?$"), AfterValidator(check_url)]
Endpoint = Annotated[str, StringConstraints(pattern=r"^https?://[^/\s]+$"), AfterValidator(check_url)]
