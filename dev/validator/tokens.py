"""Checking bearer tokens against the identity provider's published keys (domain 1.3)."""

import logging

import httpx2
import jwt

LOG = logging.getLogger(__name__)

TIMEOUT_SECONDS = 5
# A little slack for clocks that differ, as the real app has.
LEEWAY_SECONDS = 5


class UnauthorizedError(Exception):
    """The request carries no token, or one that does not hold."""


class TokenVerifier:
    """Verifies RS256 tokens; finds issuer and keys through the provider's well-known document, at first use."""

    def __init__(self, well_known_url: str, audience: str) -> None:
        self._well_known_url = well_known_url
        self._audience = audience
        self._issuer = ""
        self._keys: jwt.PyJWKClient | None = None

    def subject(self, authorization: str | None) -> str:
        """The `sub` of the token in an Authorization header. Raises UnauthorizedError."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise UnauthorizedError("Authorization: a bearer token is needed")
        try:
            keys = self._discover()
            key = keys.get_signing_key_from_jwt(token)
            claims = jwt.decode(
                token,
                key,
                algorithms=["RS256"],
                audience=self._audience,
                issuer=self._issuer,
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except jwt.PyJWTError as error:
            raise UnauthorizedError(f"Authorization: the token does not hold: {error}") from None
        except (httpx2.HTTPError, KeyError, ValueError) as error:
            LOG.warning("the identity provider's keys cannot be had: %s", error)
            raise UnauthorizedError("Authorization: the identity provider's keys cannot be had") from None
        return str(claims["sub"])

    def _discover(self) -> jwt.PyJWKClient:
        if self._keys is None:
            with httpx2.Client(timeout=TIMEOUT_SECONDS, trust_env=False) as http:
                document = http.get(self._well_known_url).raise_for_status().json()
            self._issuer = document["issuer"]
            self._keys = jwt.PyJWKClient(document["jwks_uri"], timeout=TIMEOUT_SECONDS)
        return self._keys
