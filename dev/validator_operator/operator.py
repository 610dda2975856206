"""Definition of the resource, and the loop that turns each resource of a namespace into a validator's Deployment."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lightkube import Client, codecs
from lightkube.core.exceptions import ApiError
from lightkube.generic_resource import GenericNamespacedResource, create_namespaced_resource
from lightkube.resources.apiextensions_v1 import CustomResourceDefinition
from lightkube.resources.apps_v1 import Deployment
from lightkube.types import PatchType

from dev.cluster.waiting import wait_until
from dev.platform.objects import apply_manifest

KIND = "ManagedValidator"
RESOURCE: type[GenericNamespacedResource] = create_namespaced_resource(
    "canton.operator.example", "v1", KIND, "managedvalidators"
)
_DEFINITION = Path(__file__).with_name("definition.yaml")
_PATIENCE_SECONDS = 30.0
_POLL_SECONDS = 0.3
_BACKEND = "canton.validator-apps.validator_backend"
_SCAN_URL = "http://scan.platform.svc.cluster.local:5012"
_VOLUME = "participant-bootstrapping-dump-volume"
_MOUNT = "/participant-bootstrapping-dump"


@contextmanager
def defined(api: Client) -> Iterator[None]:
    """The cluster while it knows the kind; every resource of it goes with it."""
    (definition,) = codecs.load_all_yaml(_DEFINITION.read_text())
    api.apply(definition, force=True)
    name = definition.metadata.name  # type: ignore[union-attr]

    def is_served() -> bool:
        found = api.get(CustomResourceDefinition, str(name))
        conditions = (found.status.conditions if found.status else None) or []
        return any(one.type == "Established" and one.status == "True" for one in conditions)

    try:
        wait_until(is_served, f"the kind {KIND}", _PATIENCE_SECONDS, "")
        yield
    finally:
        api.delete(CustomResourceDefinition, str(name))


class ValidatorOperator:
    """Keeps the validators of one namespace; as many replicas as there are stay."""

    def __init__(self, api: Client, namespace: str) -> None:
        self._api = api
        self._namespace = namespace
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="validator-operator", daemon=True)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Work in the background."""
        self._thread.start()
        try:
            yield
        finally:
            self._stopped.set()
            self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(_POLL_SECONDS):
            try:
                for resource in self._api.list(RESOURCE, namespace=self._namespace):
                    self._keep(resource)
            except ApiError as error:
                print(f"validator operator: {error}", flush=True)

    def _keep(self, resource: GenericNamespacedResource) -> None:
        metadata = resource.metadata
        if metadata is None or metadata.name is None:
            return
        generation = metadata.generation or 0
        if ((resource.get("status") or {}).get("observedGeneration") or 0) >= generation:
            return
        spec = resource["spec"]
        imported = _import(spec)
        identifier = imported["newParticipantIdentifier"] if imported else spec["nodeIdentifier"]
        apply_manifest(
            self._api,
            "validator.yaml",
            namespace=self._namespace,
            party_hint=spec["partyHint"],
            node_identifier=identifier,
        )
        if imported:
            self._api.patch(
                Deployment,
                "validator-app",
                _with_import(imported, migrates=spec["migrateValidatorParty"]),
                namespace=self._namespace,
                patch_type=PatchType.STRATEGIC,
            )
        status = {"status": {"observedGeneration": generation, "phase": "Importing" if imported else "Running"}}
        self._api.patch(
            RESOURCE.Status,
            metadata.name,
            status,
            namespace=self._namespace,
            patch_type=PatchType.MERGE,
        )


def _import(spec: dict[str, Any]) -> dict[str, str] | None:
    """Import block; None too when the participant initialises itself first, since it has keys of its own then."""
    found: dict[str, str] | None = spec.get("participantIdentitiesDumpImport")
    return None if (spec.get("participant") or {}).get("autoInit", True) else found


def _with_import(block: dict[str, str], *, migrates: bool) -> dict[str, Any]:
    """What the import adds to the Deployment, under the names by which the validator app knows it (domain 1.4)."""
    bootstrap = (
        f'{_BACKEND}.participant-bootstrapping-dump {{ type = file, file = "{_MOUNT}/content", '
        f'new-participant-identifier = "{block["newParticipantIdentifier"]}" }}'
    )
    variables = [{"name": "ADDITIONAL_CONFIG_SPLICE_APP_SV_PARTICIPANT_IDENTITIES_DUMP_IMPORT", "value": bootstrap}]
    if migrates:
        migration = f'{_BACKEND}.migrate-validator-party.scan.admin-api.url = "{_SCAN_URL}"'
        variables.append({"name": "ADDITIONAL_CONFIG_MIGRATE_VALIDATOR_PARTY", "value": migration})
    container = {
        "name": "validator-app",
        "env": variables,
        "volumeMounts": [{"name": _VOLUME, "mountPath": _MOUNT, "readOnly": True}],
    }
    volume = {"name": _VOLUME, "secret": {"secretName": block["identitiesSecretName"]}}
    return {"spec": {"template": {"spec": {"containers": [container], "volumes": [volume]}}}}
