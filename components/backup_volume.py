"""The claim that holds backup sets: sized by the vendor's formula, grown by the backup job, never deleted."""

from dataclasses import dataclass

import pulumi
from pulumi_kubernetes.core.v1 import (
    PersistentVolumeClaim,
    PersistentVolumeClaimSpecArgs,
    VolumeResourceRequirementsArgs,
)

from catalyx_dr.model.backup import BackupVolume as BackupVolumeSpec
from catalyx_dr.model.backup import DatabaseBackup
from catalyx_dr.model.object_names import ObjectNames
from catalyx_dr.model.quantity import Quantity
from catalyx_dr.model.validator_spec import ValidatorSpec
from catalyx_dr.rules.sizing import backup_volume_size, grown
from components.object_metadata import metadata_of


@dataclass(frozen=True)
class BackupVolumeArgs:
    """`present`: size of a claim that is in the cluster already, which is adopted as it is and never shrunk."""

    validator: ValidatorSpec
    backup: DatabaseBackup
    volume: BackupVolumeSpec
    protect: bool
    present: Quantity | None = None


class BackupVolume(pulumi.ComponentResource):
    """Claim `<validator>-backups`. It outlives `pulumi destroy`: backups are deleted by people only."""

    size: pulumi.Output[str]

    def __init__(self, name: str, args: BackupVolumeArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("catalyx-dr:backup:BackupVolume", name, None, opts)
        sizing = backup_volume_size(args.backup, args.validator.databases)
        size = sizing.size
        if args.present is not None:
            growth = grown(args.present, sizing.size)
            size = growth.size
            if size > sizing.size:
                pulumi.log.info(f"the volume {growth}", resource=self)
            elif growth.grows:
                pulumi.log.info(f"the volume {growth} with the next backup", resource=self)
        names = ObjectNames.of(args.validator)
        self.claim = PersistentVolumeClaim(
            names.volume_claim,
            metadata=metadata_of(names, names.volume_claim),
            spec=PersistentVolumeClaimSpecArgs(
                access_modes=["ReadWriteOnce"],
                storage_class_name=args.volume.storage_class,
                resources=VolumeResourceRequirementsArgs(requests={"storage": str(size)}),
            ),
            opts=pulumi.ResourceOptions(
                parent=self,
                protect=args.protect,
                retain_on_delete=True,
                # The job that grows the claim owns its size as well; a smaller wish of this program never wins.
                ignore_changes=["spec.resources.requests"],
            ),
        )
        self.size = pulumi.Output.from_input(str(size))
        self.register_outputs({"claim": names.volume_claim, "size": str(size), "sizing": str(sizing)})
