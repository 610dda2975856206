"""How the validator's own API is asked, and by whom."""

from typing import Annotated

from pydantic import AfterValidator

from catalyx_dr.model.addresses import Url
from catalyx_dr.model.spec import DataKey, ObjectName, Spec, Text


class LedgerApiCredentials(Spec):
    """Secret with the machine-to-machine client of the validator's admin API (domain 1.6) and its key names."""

    secret: ObjectName = "splice-app-validator-ledger-api-auth"  # noqa: S105 - a name, not a secret
    url_key: DataKey = "url"
    client_id_key: DataKey = "client-id"
    client_secret_key: DataKey = "client-secret"  # noqa: S105
    audience: Text = "https://canton.network.global"
    scope: Text | None = None


class WalletLogin(Spec):
    """Wallet user whose login proves a recovery: Keycloak client and credentials, both in Secrets."""

    client_secret: ObjectName = "splice-app-wallet-ui-auth"  # noqa: S105
    url_key: DataKey = "url"
    client_id_key: DataKey = "client-id"
    user_secret: ObjectName = "wallet-user"  # noqa: S105
    username_key: DataKey = "username"
    password_key: DataKey = "password"  # noqa: S105


def _check_base(url: str) -> str:
    base, separator, _ = url.partition("/api/validator")
    if separator:
        raise ValueError(f"{url!r} goes on where the API's own paths begin; write {base}")
    return url


class ValidatorApi(Spec):
    """Where the validator answers inside the cluster, and who may ask."""

    url: Annotated[Url, AfterValidator(_check_base)] = "http://validator-app:5003"
    credentials: LedgerApiCredentials = LedgerApiCredentials()
    wallet_login: WalletLogin | None = None
