"""Which keys of which Secrets each operation reads; nothing else is mounted."""

from collections.abc import Iterable, Iterator

from catalyx_dr.model.databases import DatabaseRole
from catalyx_dr.model.environment_spec import IdentityImportRequest, RestoreRequest
from catalyx_dr.model.identity_dump import METADATA_KEY, SECRET_KEY
from catalyx_dr.model.object_names import ObjectNames
from catalyx_dr.model.spec import SecretKey
from catalyx_dr.model.validator_spec import ValidatorSpec


def for_backup(spec: ValidatorSpec) -> tuple[SecretKey, ...]:
    """Passwords of the database servers, and the store's access key."""
    return _distinct([*_databases(spec), *_store(spec), *_webhook(spec)])


def for_identity_dump(spec: ValidatorSpec) -> tuple[SecretKey, ...]:
    """The ledger-API client, and the store's access key."""
    return _distinct([*_ledger_api(spec), *_store(spec), *_webhook(spec)])


def for_verification(spec: ValidatorSpec) -> tuple[SecretKey, ...]:
    """The store's access key: what is encrypted is checked without opening it."""
    return _distinct([*_store(spec), *_webhook(spec)])


def for_drill(spec: ValidatorSpec) -> tuple[SecretKey, ...]:
    """No password of any database, but that of restored servers; for the bucket its key and the age identity."""
    declared = spec.drill
    if declared is not None and declared.source == "snapshot":
        return _distinct([*_databases(spec), *_webhook(spec)])
    if declared is None or declared.source == "volume":
        return _distinct(_webhook(spec))
    identity = [declared.age_identity] if declared.age_identity else []
    return _distinct([*_store(spec), *_webhook(spec), *identity])


def for_look(spec: ValidatorSpec) -> tuple[SecretKey, ...]:
    """Everything that any Job of the validator reads, but for dumps and age identities."""
    return _distinct([*_databases(spec), *_store(spec), *_proof(spec)])


def for_bucket(spec: ValidatorSpec) -> tuple[SecretKey, ...]:
    """Only the store's access key, and the authorities that are trusted for it."""
    return _distinct(_store(spec))


def for_restore(spec: ValidatorSpec, request: RestoreRequest) -> tuple[SecretKey, ...]:
    """Passwords, what proves the validator afterwards, and for the bucket its access key and the age identity."""
    from_bucket = _store(spec) if request.source == "bucket" else ()
    return _distinct([*_databases(spec), *_proof(spec), *from_bucket, *_age_identity(request)])


def for_rollback(spec: ValidatorSpec) -> tuple[SecretKey, ...]:
    """Passwords, and what proves the validator afterwards."""
    return _distinct([*_databases(spec), *_proof(spec)])


def for_identity_import(
    spec: ValidatorSpec, request: IdentityImportRequest, dump_id: str | None
) -> tuple[SecretKey, ...]:
    """As for a restore; the dump when it is `dump_id` of the cluster; the onboarding Secret, to see it is there."""
    dump: list[SecretKey] = []
    if request.source == "cluster" and dump_id is not None:
        secret = ObjectNames.of(spec).identity_dump_secret(dump_id)
        dump = [SecretKey(name=secret, key=SECRET_KEY), SecretKey(name=secret, key=METADATA_KEY)]
    from_bucket = _store(spec) if request.source == "bucket" else ()
    onboarding = spec.onboarding_secret
    return _distinct([*dump, onboarding, *_databases(spec), *_proof(spec), *from_bucket, *_age_identity(request)])


def _databases(spec: ValidatorSpec) -> Iterator[SecretKey]:
    yield from (spec.databases.server_of(role).password for role in DatabaseRole)


def _store(spec: ValidatorSpec) -> Iterator[SecretKey]:
    bucket = spec.backup.bucket if spec.backup else None
    if bucket is not None and bucket.credentials is not None:
        yield SecretKey(name=bucket.credentials.secret, key=bucket.credentials.access_key_id_key)
        yield SecretKey(name=bucket.credentials.secret, key=bucket.credentials.secret_access_key_key)
    if bucket is not None and bucket.ca_bundle is not None and bucket.ca_bundle.kind == "Secret":
        yield SecretKey(name=bucket.ca_bundle.name, key=bucket.ca_bundle.key)


def _webhook(spec: ValidatorSpec) -> Iterator[SecretKey]:
    if spec.alerts is not None and spec.alerts.webhook is not None:
        yield spec.alerts.webhook


def _ledger_api(spec: ValidatorSpec) -> Iterator[SecretKey]:
    client = spec.api.credentials
    yield from (
        SecretKey(name=client.secret, key=key)
        for key in (client.url_key, client.client_id_key, client.client_secret_key)
    )


def _proof(spec: ValidatorSpec) -> Iterator[SecretKey]:
    yield from _ledger_api(spec)
    login = spec.api.wallet_login
    if login is not None:
        yield from (SecretKey(name=login.client_secret, key=key) for key in (login.url_key, login.client_id_key))
        yield from (SecretKey(name=login.user_secret, key=key) for key in (login.username_key, login.password_key))


def _age_identity(request: RestoreRequest | IdentityImportRequest) -> Iterator[SecretKey]:
    if request.age_identity is not None:
        yield request.age_identity


def _distinct(keys: Iterable[SecretKey]) -> tuple[SecretKey, ...]:
    return tuple(sorted(set(keys), key=lambda key: (key.name, key.key)))
