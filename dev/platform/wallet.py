"""The wallet of the local validator, as its user sees it."""

from decimal import Decimal
from typing import Any

import httpx2
from lightkube import Client

from dev.platform.identities import WALLET_CLIENT
from dev.platform.objects import SHARED_NAMESPACE, read_secret
from dev.platform.reaching import reached

_TIMEOUT_SECONDS = 15


class Wallet:
    """Logs in at Keycloak with the Secret `wallet-user` and talks to the validator app."""

    def __init__(self, api: Client, namespace: str) -> None:
        self._api = api
        self._namespace = namespace

    def balance(self) -> Decimal:
        """Unlocked balance."""
        return Decimal(self._call("GET", "/v0/wallet/balance")["effective_unlocked_qty"])

    def tap(self, amount: str) -> None:
        """Get coins from the development network's tap."""
        self._call("POST", "/v0/wallet/tap", {"amount": amount})

    def validator_user(self) -> dict[str, Any]:
        """Party and user of the validator; needs no login."""
        return self._call("GET", "/v0/validator-user")

    def _call(self, method: str, path: str, body: dict[str, str] | None = None) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self._token()}"}
        with (
            reached(self._api, self._namespace, "validator-app", 5003) as (host, port),
            httpx2.Client(timeout=_TIMEOUT_SECONDS, trust_env=False) as http,
        ):
            answer = http.request(method, f"http://{host}:{port}/api/validator{path}", json=body, headers=headers)
            answer.raise_for_status()
            return dict(answer.json())

    def _token(self) -> str:
        user = read_secret(self._api, self._namespace, "wallet-user") or {}
        form = {"grant_type": "password", "client_id": WALLET_CLIENT, **user}
        with (
            reached(self._api, SHARED_NAMESPACE, "keycloak", 8080) as (host, port),
            httpx2.Client(timeout=_TIMEOUT_SECONDS, trust_env=False) as http,
        ):
            url = f"http://{host}:{port}/realms/canton/protocol/openid-connect/token"
            answer = http.post(url, data=form)
            answer.raise_for_status()
            return str(answer.json()["access_token"])
