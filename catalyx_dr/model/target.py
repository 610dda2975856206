"""How a validator is installed, and the workloads that use its databases."""

from typing import Annotated, Literal

from pydantic import Field, JsonValue

from catalyx_dr.model.addresses import Url
from catalyx_dr.model.spec import KubernetesName, ObjectName, Spec


class Workload(Spec):
    """A workload that uses the databases: stopped before they are swapped, started after."""

    kind: Literal["Deployment", "StatefulSet"] = "Deployment"
    name: KubernetesName

    def __str__(self) -> str:
        return f"{self.kind.lower()}/{self.name}"


class SpliceHelmTarget(Spec):
    """A validator installed by Splice's Helm charts; nodeIdentifier equals the new identifier (domain 1.4)."""

    kind: Literal["splice-helm"] = "splice-helm"
    validator_workload: Workload = Workload(name="validator-app")
    bootstrap_secret: ObjectName = "participant-bootstrap-dump"  # noqa: S105
    scan_url: Url = Field(description="Scan (or first seed URL) that migrateValidatorParty reads contracts from")


class CustomResourceTarget(Spec):
    """A validator declared by the vendor's custom resource; its group and kind are not public, so they are given."""

    kind: Literal["custom-resource"] = "custom-resource"
    api_version: str = Field(pattern=r"^[a-z0-9.-]+/v[a-z0-9]+$")
    resource_kind: str = Field(pattern=r"^[A-Z][A-Za-z0-9]*$")
    name: KubernetesName
    bootstrap_secret: ObjectName = "participant-bootstrap-dump"  # noqa: S105
    scan_url: Url | None = Field(
        default=None,
        description="Scan, which tells who hosts the party and which synchronizer is active; absent: nobody is asked",
    )
    resource: str | None = Field(
        default=None,
        pattern=r"^[a-z][a-z0-9]*$",
        description="Plural of the kind, as the API names it; absent: the kind in small letters and an s",
    )
    auto_init_off: dict[str, JsonValue] = Field(
        default_factory=dict,
        description="What in the resource's spec switches auto-init off during an import (vendor guide 2.1)",
    )

    @property
    def group(self) -> str:
        """API group."""
        return self.api_version.split("/")[0]

    @property
    def plural(self) -> str:
        """Name of the resource in the API."""
        return self.resource or f"{self.resource_kind.lower()}s"


Target = Annotated[SpliceHelmTarget | CustomResourceTarget, Field(discriminator="kind")]
