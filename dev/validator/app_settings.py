"""Settings of the validator app, read from the environment that Splice's chart renders (domain 1.4-1.6)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pyhocon import ConfigFactory, ConfigTree  # type: ignore[import-untyped]

from dev.validator.postgres import DatabaseAddress

_BACKEND = "canton.validator-apps.validator_backend"
_CRASH_SWITCH = "CATALYX_DR_DEV_CRASH_AFTER_PARTY_MOVE"


class SettingsError(Exception):
    """The environment is incomplete or contradicts itself."""


@dataclass(frozen=True)
class DumpImport:
    """Where an identity dump is mounted, and the identifier that the new participant takes."""

    file: str
    new_participant_identifier: str


@dataclass(frozen=True)
class AppSettings:
    """Everything the validator app is told from outside."""

    storage: DatabaseAddress
    participant_admin_url: str
    scan_url: str
    node_identifier: str
    party_hint: str
    ledger_api_user: str
    wallet_users: tuple[str, ...]
    well_known_url: str
    audience: str
    onboarding_secret: str | None = field(repr=False)
    dump_import: DumpImport | None
    migrate_party_scan_url: str | None
    crash_after_party_move: bool
    history_updates: int


def read_settings(environment: Mapping[str, str]) -> AppSettings:
    """Read the environment. Raises SettingsError, naming the variable or chart value at fault."""
    try:
        return _read(environment)
    except KeyError as error:
        raise SettingsError(f"the environment variable {error.args[0]} is missing") from None


def _read(environment: Mapping[str, str]) -> AppSettings:
    scan_url = environment["SPLICE_APP_VALIDATOR_SCAN_ADDRESS"]
    backend = _merge_snippets(environment, scan_url)
    participant = environment["SPLICE_APP_VALIDATOR_PARTICIPANT_ADDRESS"]
    has_onboarding = backend.get("onboarding", "") is not None
    settings = AppSettings(
        storage=_storage(backend),
        participant_admin_url=participant if "://" in participant else f"http://{participant}:5002",
        scan_url=scan_url,
        node_identifier=environment["SPLICE_APP_VALIDATOR_PARTICIPANT_IDENTIFIER"],
        party_hint=environment["SPLICE_APP_VALIDATOR_PARTY_HINT"],
        ledger_api_user=environment["SPLICE_APP_VALIDATOR_LEDGER_API_AUTH_USER_NAME"],
        wallet_users=_wallet_users(environment, backend),
        well_known_url=environment["SPLICE_APP_VALIDATOR_LEDGER_API_AUTH_URL"],
        audience=environment["SPLICE_APP_VALIDATOR_AUTH_AUDIENCE"],
        onboarding_secret=environment["SPLICE_APP_VALIDATOR_ONBOARDING_SECRET"] if has_onboarding else None,
        dump_import=_dump_import(backend),
        migrate_party_scan_url=_optional(backend, "migrate-validator-party.scan.admin-api.url"),
        crash_after_party_move=environment.get(_CRASH_SWITCH) == "1",
        history_updates=int(environment.get("CATALYX_DR_DEV_HISTORY_UPDATES", "300")),
    )
    _check_import(settings)
    return settings


def _merge_snippets(environment: Mapping[str, str], scan_url: str) -> ConfigTree:
    """One tree of all ADDITIONAL_CONFIG_* snippets, in the order of their names, as the real app merges them."""
    snippets = [f"_scan.admin-api.address = {_quoted(scan_url)}", f"{_BACKEND} {{}}"]
    # Substitutions look at the tree first: the snippet of the storage refers to this variable.
    password = environment.get("SPLICE_APP_POSTGRES_PASSWORD", "")
    snippets.append(f"SPLICE_APP_POSTGRES_PASSWORD = {_quoted(password)}")
    names = sorted(name for name in environment if name.startswith("ADDITIONAL_CONFIG_"))
    for name in names:
        try:
            ConfigFactory.parse_string(environment[name], resolve=False)
        except Exception as error:
            raise SettingsError(f"{name}: not valid HOCON: {error}") from None
        snippets.append(environment[name])
    return ConfigFactory.parse_string("\n".join(snippets)).get_config(_BACKEND)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _optional(backend: ConfigTree, path: str) -> str | None:
    value = backend.get(path, None)
    return None if value is None else str(value)


def _storage(backend: ConfigTree) -> DatabaseAddress:
    properties: Any = backend.get("storage.config.properties", None)
    if properties is None:
        raise SettingsError("ADDITIONAL_CONFIG_PERSISTENCE: storage.config.properties is missing")
    return DatabaseAddress(
        host=str(properties["serverName"]),
        port=int(properties["portNumber"]),
        database=str(properties["databaseName"]),
        schema=str(properties["currentSchema"]),
        user=str(properties["user"]),
        password=str(properties["password"]),
    )


def _wallet_users(environment: Mapping[str, str], backend: ConfigTree) -> tuple[str, ...]:
    listed = backend.get("validator-wallet-users", {})
    single = environment.get("SPLICE_APP_VALIDATOR_WALLET_USER_NAME")
    return tuple(str(user) for user in listed.values()) + ((single,) if single else ())


def _dump_import(backend: ConfigTree) -> DumpImport | None:
    dump = backend.get("participant-bootstrapping-dump", None)
    if dump is None:
        return None
    identifier = dump.get("new-participant-identifier", None)
    if identifier is None:
        raise SettingsError(
            "participantIdentitiesDumpImport.newParticipantIdentifier: missing; choose one that was never used before"
        )
    return DumpImport(str(dump["file"]), str(identifier))


def _check_import(settings: AppSettings) -> None:
    if settings.migrate_party_scan_url is not None and settings.dump_import is None:
        raise SettingsError("migrateValidatorParty: set without participantIdentitiesDumpImport")
    dump = settings.dump_import
    if dump is not None and dump.new_participant_identifier != settings.node_identifier:
        raise SettingsError(
            f"nodeIdentifier: {settings.node_identifier} differs from "
            f"participantIdentitiesDumpImport.newParticipantIdentifier {dump.new_participant_identifier}; "
            "both must be the same"
        )
