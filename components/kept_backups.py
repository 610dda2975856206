"""KeptBackups: names in a destroy's own preview what it leaves, since no backup is ever deleted with the stack."""

import pulumi

from catalyx_dr.model.object_names import ObjectNames
from catalyx_dr.model.validator_spec import ValidatorSpec


class KeptBackups(pulumi.ComponentResource):
    """A validator's places of backups as the name of a resource, which a destroy lists as `delete[retain]`.

    A component, since a dynamic resource costs the start of its plugin and says nothing in that preview.
    """

    def __init__(self, spec: ValidatorSpec, opts: pulumi.ResourceOptions | None = None) -> None:
        options = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(retain_on_delete=True))
        super().__init__("catalyx-dr:kept:Backups", f"{spec.name}: {'; '.join(kept_places(spec))}", None, options)


def kept_places(spec: ValidatorSpec) -> list[str]:
    """Where everything is that outlives the stack."""
    names, backup, places = ObjectNames.of(spec), spec.backup, []
    if backup is not None and backup.snapshot is not None:
        places.append(f"VolumeSnapshots {spec.namespace}/{names.snapshot('*', '*')}")
    if backup is not None and backup.volume is not None:
        places.append(f"claim {spec.namespace}/{names.volume_claim}")
    if backup is not None and backup.bucket is not None:
        places.append(f"s3://{backup.bucket.name}/{spec.object_prefix}")
    if spec.identity_dump is not None:
        places.append(f"Secrets {spec.namespace}/{names.identity_dump_secret('*')}")
    return [*places, f"records in {spec.namespace}"]
