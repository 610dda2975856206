"""Secrets of the local platform: random passwords made once, and the Keycloak realm that knows the same ones."""

import json
import secrets
from typing import Any

REALM_URL = "http://keycloak.platform.svc.cluster.local:8080/realms/canton"
WELL_KNOWN = f"{REALM_URL}/.well-known/openid-configuration"
AUDIENCE = "https://canton.network.global"
LEDGER_API_USER_ID = "aaaaaaaa-0000-4000-8000-000000000001"
WALLET_USER_ID = "11111111-0000-4000-8000-000000000001"
WALLET_USER = "alice"
VALIDATOR_CLIENT = "validator-backend"
WALLET_CLIENT = "wallet-ui"
REALM_FILE = "canton.json"
ONBOARDING_SECRET = "splice-app-validator-onboarding-validator"

SecretData = dict[str, str]


def make_shared_secrets() -> dict[str, SecretData]:
    """Secrets of the namespace `platform` by name, with fresh random values."""
    client_secret, password = secrets.token_urlsafe(24), secrets.token_urlsafe(18)
    return {
        "s3-root": {
            "access-key-id": f"dev{secrets.token_hex(6)}",
            "secret-access-key": secrets.token_urlsafe(30),
        },
        "keycloak-realm": {REALM_FILE: json.dumps(_realm(client_secret, password))},
    }


def make_onboarding_secret() -> SecretData:
    """A one-time secret as a sponsor hands it to a new validator."""
    return {"secret": secrets.token_urlsafe(18)}


def make_validator_secrets(shared: dict[str, SecretData]) -> dict[str, SecretData]:
    """Secrets of one validator by name: logins that fit the shared ones, and fresh random passwords of its own.

    All validators share Keycloak's client and user; what these may do is decided by each one's participant.
    """
    realm = json.loads(shared["keycloak-realm"][REALM_FILE])
    client_secret = next(one["secret"] for one in realm["clients"] if one["clientId"] == VALIDATOR_CLIENT)
    user = next(one for one in realm["users"] if one["username"] == WALLET_USER)
    return {
        "backup-store": shared["s3-root"],
        "postgres-secrets": {"postgresPassword": secrets.token_urlsafe(18)},
        ONBOARDING_SECRET: make_onboarding_secret(),
        "splice-app-validator-ledger-api-auth": {
            "ledger-api-user": LEDGER_API_USER_ID,
            "url": WELL_KNOWN,
            "client-id": VALIDATOR_CLIENT,
            "client-secret": client_secret,
            "audience": AUDIENCE,
        },
        "splice-app-wallet-ui-auth": {"url": WELL_KNOWN, "client-id": WALLET_CLIENT},
        "wallet-user": {"username": WALLET_USER, "password": user["credentials"][0]["value"]},
    }


def _realm(client_secret: str, password: str) -> dict[str, Any]:
    audience = {
        "name": "audience",
        "protocol": "openid-connect",
        "protocolMapper": "oidc-audience-mapper",
        "config": {"included.custom.audience": AUDIENCE, "access.token.claim": "true", "id.token.claim": "false"},
    }
    client = {"enabled": True, "protocol": "openid-connect", "defaultClientScopes": ["basic"]}
    return {
        "realm": "canton",
        "enabled": True,
        "sslRequired": "none",
        "accessTokenLifespan": 300,
        # Naming scopes here leaves out the built-in ones, so the one that sets `sub` is defined again.
        "clientScopes": [_basic_scope(), {"name": "daml_ledger_api", "protocol": "openid-connect"}],
        "defaultDefaultClientScopes": ["basic"],
        "clients": [
            client
            | {
                "clientId": VALIDATOR_CLIENT,
                "secret": client_secret,
                "publicClient": False,
                "serviceAccountsEnabled": True,
                "standardFlowEnabled": False,
                "optionalClientScopes": ["daml_ledger_api"],
                "protocolMappers": [audience],
            },
            client
            | {
                "clientId": WALLET_CLIENT,
                "publicClient": True,
                "directAccessGrantsEnabled": True,
                "redirectUris": ["http://wallet.localhost/*"],
                "protocolMappers": [audience],
            },
        ],
        "users": [
            {
                "username": WALLET_USER,
                "id": WALLET_USER_ID,
                "enabled": True,
                "emailVerified": True,
                "email": "alice@wallet.test",
                "firstName": "Alice",
                "lastName": "Wallet",
                "credentials": [{"type": "password", "value": password, "temporary": False}],
            },
            {
                "username": f"service-account-{VALIDATOR_CLIENT}",
                "id": LEDGER_API_USER_ID,
                "enabled": True,
                "serviceAccountClientId": VALIDATOR_CLIENT,
            },
        ],
    }


def _basic_scope() -> dict[str, Any]:
    mapper = {
        "name": "sub",
        "protocol": "openid-connect",
        "protocolMapper": "oidc-sub-mapper",
        "config": {"access.token.claim": "true", "introspection.token.claim": "true"},
    }
    return {"name": "basic", "protocol": "openid-connect", "protocolMappers": [mapper]}
