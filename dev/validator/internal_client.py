"""HTTP calls among the stand-in's own roles, with the other side's error text in the exception."""

from typing import Any

import httpx2

TIMEOUT_SECONDS = 20


class CallRefusedError(Exception):
    """The other side answered with an error; `status` is its HTTP status."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class InternalClient:
    """A client of one role's base URL; safe to share between threads."""

    def __init__(self, base_url: str) -> None:
        # No proxy settings of the environment: the other roles are always neighbours.
        self._http = httpx2.Client(base_url=base_url, timeout=TIMEOUT_SECONDS, trust_env=False)

    def get(self, path: str, **query: str | int) -> Any:
        """GET and decode; raises CallRefusedError, or httpx2.HTTPError when nobody answers."""
        return _decode(self._http.get(path, params=query))

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """POST and decode; raises CallRefusedError, or httpx2.HTTPError when nobody answers."""
        return _decode(self._http.post(path, json=body))


def _decode(response: httpx2.Response) -> Any:
    if response.is_success:
        return response.json() if response.content else None
    try:
        text = str(response.json()["error"])
    except (ValueError, KeyError, TypeError):
        text = response.text[:200]
    raise CallRefusedError(response.status_code, text)
