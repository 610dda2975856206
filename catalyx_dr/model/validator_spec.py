"""One validator as the stack file declares it and as the scheduled jobs read it."""

import re
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, JsonValue, StringConstraints, model_validator

from catalyx_dr.model.addresses import Endpoint, Host, Url
from catalyx_dr.model.age_recipient import AgeRecipient
from catalyx_dr.model.bucket_name import check_bucket_name
from catalyx_dr.model.duration import Duration, PositiveDuration, format_duration
from catalyx_dr.model.quantity import Quantity
from catalyx_dr.model.schedule import Schedule, check_cron, check_time_zone
from catalyx_dr.model.spec import (
    DataKey,
    Flag,
    ImageReference,
    KubernetesName,
    LabelKey,
    LabelValue,
    ObjectName,
    SecretKey,
    Spec,
    Text,
    WholeNumber,
)

# More captures than anybody keeps; it holds sizes below what Kubernetes can count.
MOST_CAPTURES = 10_000
SLOWEST = Quantity(64 * 1024)
SHORTEST_RUN = timedelta(minutes=1)


def _check_rate(rate: Quantity) -> Quantity:
    if rate < SLOWEST:
        raise ValueError(f"{str(rate)!r} a second would never end; allowed: {SLOWEST} or more, for example 50Mi")
    return rate


def _check_room(room: Quantity) -> Quantity:
    if not room.bytes:
        raise ValueError(f"{str(room)!r} is no room at all; write for example 10Gi, or leave it out")
    return room


def _check_deadline(length: timedelta) -> timedelta:
    if length < SHORTEST_RUN:
        raise ValueError(
            f"{format_duration(length)!r} leaves no time for a run; allowed: {format_duration(SHORTEST_RUN)} or more, "
            "for example 4h"
        )
    return length


def _check_prefix(prefix: str) -> str:
    if {".", ".."} & set(prefix.split("/")):
        raise ValueError(f"{prefix!r} is no key prefix: . and .. are no folders in a bucket; write backups/")
    return prefix


Rate = Annotated[Quantity, AfterValidator(_check_rate)]
Room = Annotated[Quantity, AfterValidator(_check_room)]
Cron = Annotated[str, AfterValidator(check_cron)]
TimeZone = Annotated[str, AfterValidator(check_time_zone)]
# Splice's own pattern (domain 1.5).
PartyHint = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9_]+-[a-zA-Z0-9_]+-[0-9]+$")]
BucketName = Annotated[
    str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$"), AfterValidator(check_bucket_name)
]
# PostgreSQL takes any text of that length; one with blanks around it is a slip.
DatabaseName = Annotated[str, StringConstraints(pattern=r"^\S(.*\S)?$", min_length=1, max_length=63)]
_AWS_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-[0-9]")


class DatabaseRole(StrEnum):
    """The two databases of a validator, in the order in which they must be captured (domain 1.1)."""

    VALIDATOR_APP = "validator-app"
    PARTICIPANT = "participant"


class ServerVolume(Spec):
    """What a snapshot of a server is taken of: the claim of its data, and the StatefulSet that mounts it."""

    claim: ObjectName
    stateful_set: KubernetesName


class DatabaseServer(Spec):
    """A PostgreSQL server; the user owns the databases and has CREATEDB, never needs to be superuser."""

    host: Host
    port: WholeNumber = Field(default=5432, ge=1, le=65535)
    user: Text = "cnadmin"
    password: SecretKey = SecretKey(name="postgres-secrets", key="postgresPassword")
    maintenance_database: DatabaseName = "cantonnet"
    ssl_mode: Literal["disable", "prefer", "require", "verify-ca", "verify-full"] = "prefer"
    volume: ServerVolume | None = Field(default=None, description="Needed only for backups by snapshot")


class Database(Spec):
    """One database: its name is read, never inferred (domain 1.2); `storage` is the size of its volume."""

    name: DatabaseName
    schema_name: DatabaseName = Field(alias="schema")
    storage: Quantity
    server: DatabaseServer | None = Field(default=None, description="Only when it differs from databases.server")


class Databases(Spec):
    """Both databases of the validator."""

    server: DatabaseServer
    validator_app: Database
    participant: Database

    def of(self, role: DatabaseRole) -> Database:
        """Database that plays `role`."""
        return self.validator_app if role is DatabaseRole.VALIDATOR_APP else self.participant

    def server_of(self, role: DatabaseRole) -> DatabaseServer:
        """Server that holds the database of `role`."""
        return self.of(role).server or self.server

    @property
    def storage(self) -> Quantity:
        """Database storage of the vendor's sizing formula: both volumes together."""
        return self.validator_app.storage + self.participant.storage


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


class ValidatorApi(Spec):
    """Where the validator answers inside the cluster, and who may ask."""

    url: Url = "http://validator-app:5003"
    credentials: LedgerApiCredentials = LedgerApiCredentials()
    wallet_login: WalletLogin | None = None


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


class Retention(Spec):
    """What is kept; counts look at proven captures only, and a capture is kept when any rule keeps it."""

    keep: WholeNumber = Field(
        ge=1, le=MOST_CAPTURES, description="Newest proven captures to keep: the vendor's Max Backup Number"
    )
    within: PositiveDuration | None = Field(default=None, description="Also keep everything younger than this")
    daily: WholeNumber = Field(
        default=0, ge=0, le=MOST_CAPTURES, description="Also keep the newest of each of this many days"
    )
    weekly: WholeNumber = Field(default=0, ge=0, le=MOST_CAPTURES)
    monthly: WholeNumber = Field(default=0, ge=0, le=MOST_CAPTURES)
    yearly: WholeNumber = Field(default=0, ge=0, le=MOST_CAPTURES)
    floor: WholeNumber = Field(
        default=1, ge=1, le=MOST_CAPTURES, description="Proven captures that no rule may ever remove"
    )


class BackupVolume(Spec):
    """The PersistentVolumeClaim that holds backup sets; sized by the vendor's formula, only ever grows."""

    storage_class: ObjectName
    retention: Retention
    headroom_percent: WholeNumber = Field(default=20, ge=0, le=1000)
    limit: Quantity | None = Field(default=None, description="The volume never grows beyond this")
    encrypted_at_rest: Flag = Field(
        default=False, description="The storage class encrypts its disks; sets on the volume hold private keys in clear"
    )


class ObjectLock(Spec):
    """Object lock of a bucket: nobody can delete a version before its time."""

    mode: Literal["governance", "compliance"] = "governance"
    retention: PositiveDuration

    def __str__(self) -> str:
        return f"{self.mode} {format_duration(self.retention)}"


class BucketCredentials(Spec):
    """Secret with the store's access key; leave out where the service account itself has access."""

    secret: ObjectName
    access_key_id_key: DataKey = "access-key-id"
    secret_access_key_key: DataKey = "secret-access-key"  # noqa: S105


class CaBundle(Spec):
    """Certificates (PEM) of the authorities that sign the store's; they take the place of the public ones."""

    kind: Literal["ConfigMap", "Secret"] = "ConfigMap"
    name: ObjectName
    key: DataKey = "ca.crt"


class BackupBucket(Spec):
    """Bucket outside the cluster: declared with pulumi-aws, made at any S3-compatible store, or used as it is."""

    name: BucketName
    provider: Literal["aws", "s3-compatible", "existing"] = "aws"
    retention: Retention
    prefix: Annotated[str, StringConstraints(pattern=r"^([A-Za-z0-9._-]+/)*$"), AfterValidator(_check_prefix)] = Field(
        default="",
        description="Ends in a slash; the validator's name follows",
    )
    endpoint: Endpoint | None = Field(default=None, description="Absent means AWS")
    region: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]+$")] = "us-east-1"
    credentials: BucketCredentials | None = None
    object_lock: ObjectLock | None = None
    kms_key: Text | None = None
    ca_bundle: CaBundle | None = Field(default=None, description="Where no public authority signed the certificate")
    addressing: Literal["auto", "path", "virtual-host"] = Field(
        default="auto", description="Bucket in the path or in the host name; auto: path where an endpoint is given"
    )
    server_side_encryption: Literal["default", "sse-s3", "sse-kms"] = Field(
        default="default", description="What is asked for with each object; default: what the bucket does by itself"
    )
    outage_patience: PositiveDuration = Field(
        default=timedelta(minutes=5),
        description="How long an upload waits for a store that does not answer; then the run fails, and the next one "
        "sends what is on the volume",
    )

    @model_validator(mode="after")
    def _kms_has_key(self) -> "BackupBucket":
        if self.server_side_encryption == "sse-kms" and self.kms_key is None:
            raise ValueError("kmsKey is required when serverSideEncryption is sse-kms; write the key's id or ARN")
        return self

    @model_validator(mode="after")
    def _authorities_fit_endpoint(self) -> "BackupBucket":
        if self.ca_bundle is not None and (self.endpoint is None or self.endpoint.startswith("http://")):
            raise ValueError("caBundle is only for an endpoint with https://; leave it out, or correct endpoint")
        return self

    @model_validator(mode="after")
    def _endpoint_fits_provider(self) -> "BackupBucket":
        if self.provider == "s3-compatible" and self.endpoint is None:
            raise ValueError(
                "endpoint is required when provider is s3-compatible; write for example http://s3.storage:7070"
            )
        if self.provider == "aws" and self.endpoint is not None:
            raise ValueError("endpoint is not allowed when provider is aws; use provider s3-compatible or existing")
        if self.provider == "aws" and _AWS_REGION.fullmatch(self.region) is None:
            raise ValueError(f"region is {self.region!r}; allowed with provider aws: a code such as eu-central-1")
        return self


class RunSchedule(Spec):
    """When something runs, and how long it may take."""

    cron: Cron
    time_zone: TimeZone = "Etc/UTC"
    suspend: Flag = False
    deadline: Annotated[PositiveDuration, AfterValidator(_check_deadline)] = Field(
        default=timedelta(hours=6), description="A run that takes longer is ended"
    )

    @property
    def schedule(self) -> Schedule:
        """Cron expression and zone as one value."""
        return Schedule(self.cron, self.time_zone)


class CaptureSchedule(RunSchedule):
    """The schedule of captures, and the recovery point their owner is promised."""

    recovery_point: PositiveDuration | None = Field(
        default=None, description="Alert when the newest proven capture is older"
    )


class IoPriority(StrEnum):
    """How a run's programs stand in the queue of its node's disk."""

    NORMAL = "normal"
    LOW = "low"
    IDLE = "idle"


class RunLimits(Spec):
    """How much a backup may take from what runs beside it; absent means as much as it can get."""

    niceness: WholeNumber = Field(default=0, ge=0, le=19, description="Processor priority within the pod; 19 is least")
    io_priority: IoPriority = Field(default=IoPriority.NORMAL, description="Disk priority; idle waits for everybody")
    dump_bytes_per_second: Rate | None = Field(
        default=None, description="Most that a dump reads from the database server in a second, such as 50Mi"
    )
    upload_bytes_per_second: Rate | None = Field(
        default=None, description="Most that is sent to the bucket in a second"
    )

    @property
    def upload_rate(self) -> int | None:
        """Bytes a second that may be sent, or None."""
        return self.upload_bytes_per_second.bytes if self.upload_bytes_per_second else None

    def __str__(self) -> str:
        said = [f"niceness {self.niceness}"] if self.niceness else []
        if self.io_priority is not IoPriority.NORMAL:
            said.append(f"disk priority {self.io_priority}")
        if self.dump_bytes_per_second:
            said.append(f"dump at most {self.dump_bytes_per_second} a second")
        if self.upload_bytes_per_second:
            said.append(f"upload at most {self.upload_bytes_per_second} a second")
        return ", ".join(said)


class VolumeSnapshots(Spec):
    """CSI snapshots of the servers' own volumes, for databases too large to be dumped (domain 4)."""

    volume_snapshot_class: ObjectName
    retention: Retention
    ready_within: PositiveDuration = Field(
        default=timedelta(minutes=25), description="A snapshot that takes longer fails the run"
    )


class DatabaseBackup(CaptureSchedule):
    """Scheduled backup sets: dumps to the volume, the bucket, or both; or snapshots, which stay in the cluster."""

    method: Literal["dump", "snapshot"] = "dump"
    snapshot: VolumeSnapshots | None = Field(default=None, description="How snapshots are taken and kept")
    volume: BackupVolume | None = None
    bucket: BackupBucket | None = None
    parallel_jobs: WholeNumber = Field(
        default=2, ge=1, le=64, description="Parallel dump and restore jobs per database"
    )
    compression_level: WholeNumber = Field(default=1, ge=1, le=19, description="zstd level")
    scratch: Room | None = Field(
        default=None, description="Limit of the working space, which a restore from the bucket needs for the set"
    )
    limits: RunLimits = RunLimits()

    @model_validator(mode="after")
    def _has_destination(self) -> "DatabaseBackup":
        if self.method == "snapshot":
            if self.snapshot is None or self.volume is not None:
                raise ValueError(
                    "method snapshot needs the block snapshot (volumeSnapshotClass) and no volume; a bucket is for "
                    "identity dumps alone"
                )
            return self
        if self.snapshot is not None:
            raise ValueError("the block snapshot is not allowed with method dump; write method: snapshot, or remove it")
        if self.volume is None and self.bucket is None:
            raise ValueError("a backup needs a destination; give volume, bucket or both")
        return self

    @property
    def retentions(self) -> dict[str, Retention]:
        """Where sets are kept (`volume`, `bucket`, `snapshot`), and how long at each place."""
        if self.snapshot is not None:
            return {"snapshot": self.snapshot.retention}
        places = {"volume": self.volume, "bucket": self.bucket}
        return {name: place.retention for name, place in places.items() if place is not None}


class IdentityDumps(CaptureSchedule):
    """Scheduled identity dumps: Secrets in the namespace, and encrypted copies in the backup bucket."""

    retention: Retention
    bucket_retention: Retention | None = Field(default=None, description="Absent means the same as in the cluster")


class Verification(RunSchedule):
    """Scheduled re-reading of everything that was captured, wherever it is kept."""

    bandwidth: Rate = Field(
        default=Quantity.parse("64Mi"), description="Bytes a second that are read, so that nothing else has to wait"
    )


class Drill(RunSchedule):
    """Scheduled restore of the newest proven set into a throw-away PostgreSQL.

    Dumps are loaded into one beside the job; snapshots become claims, with the server's own pod on each.
    """

    image: ImageReference = Field(
        default="docker.io/library/postgres:17",
        description="Image with initdb and postgres on its PATH, of the servers' major version",
    )
    run_as_user: WholeNumber = Field(
        default=999,
        ge=1,
        description="User of that image that PostgreSQL runs as: 999 in the official one, 70 in Alpine's",
    )
    source: Literal["volume", "bucket", "snapshot"] = Field(
        default="volume", description="Where backups are snapshots: snapshot, also when it is left out"
    )
    age_identity: SecretKey | None = Field(
        default=None, description="Secret with a private age identity; needed only to read from the bucket"
    )
    storage: Room | None = Field(
        default=None, description="Room for the restored databases; absent: the storage of both databases"
    )
    storage_class: ObjectName | None = Field(
        default=None, description="Class of a claim that lives as long as the job's pod; absent: the node's own disk"
    )


class Alerts(Spec):
    """Who is told when a scheduled run fails or a recovery point is missed; Kubernetes Events are written anyway."""

    webhook: SecretKey | None = Field(
        default=None, description="Secret with the URL that failures are posted to as JSON; its `text` is for people"
    )
    prometheus_rule: Flag = Field(
        default=False, description="Also declare a PrometheusRule, which notices that nothing runs at all"
    )
    prometheus_labels: dict[LabelKey, LabelValue] = Field(
        default_factory=dict,
        description="Labels by which your Prometheus selects rules, for example release: prometheus",
    )


class Encryption(Spec):
    """age recipients; everything that leaves the cluster is encrypted to all of them."""

    recipients: tuple[AgeRecipient, ...] = Field(min_length=1)


class ValidatorSpec(Spec):
    """The whole of one validator."""

    name: Annotated[KubernetesName, StringConstraints(max_length=30)]
    namespace: KubernetesName
    party_hint: PartyHint
    node_identifier: Text
    migration_id: WholeNumber = Field(default=0, ge=0)
    databases: Databases
    api: ValidatorApi = ValidatorApi()
    workloads: tuple[Workload, ...] = Field(
        default=(Workload(name="validator-app"), Workload(name="participant")),
        description="Everything that uses the databases, in the order in which it is started",
    )
    target: Target
    backup: DatabaseBackup | None = None
    identity_dump: IdentityDumps | None = None
    verification: Verification | None = None
    drill: Drill | None = None
    alerts: Alerts | None = None
    encryption: Encryption | None = None
    participant_pruning_retention: PositiveDuration | None = None
    onboarding_secret: SecretKey = Field(
        default=SecretKey(name="splice-app-validator-onboarding-validator", key="secret"),
        description="Secret without which the validator's pod does not start; an import only looks whether it is there",
    )
    external_kms: Flag = Field(default=False, description="The participant's keys are held by an external KMS")
    service_account_annotations: dict[LabelKey, str] = Field(default_factory=dict)
    replaced_databases_keep: Duration = Field(
        default=timedelta(days=7), description="How long a restore keeps the databases it replaced"
    )

    @model_validator(mode="after")
    def _snapshots_have_volumes(self) -> "ValidatorSpec":
        if self.backup is not None and self.backup.method == "snapshot":
            for role in DatabaseRole:
                if self.databases.server_of(role).volume is None:
                    raise ValueError(
                        f"backup.method snapshot needs to know where the {role} database is kept; give the volume of "
                        "databases.server, with claim and statefulSet"
                    )
        return self

    @model_validator(mode="after")
    def _workloads_differ(self) -> "ValidatorSpec":
        for place, workload in enumerate(self.workloads):
            if workload in self.workloads[:place]:
                raise ValueError(f"workloads[{place}] is {workload} once more; name each workload once")
        return self

    @property
    def recipients(self) -> tuple[str, ...]:
        """Age recipients of everything that leaves the cluster; none when nothing does."""
        return self.encryption.recipients if self.encryption else ()

    @property
    def object_prefix(self) -> str:
        """Key prefix of everything this validator has in its bucket, ending in a slash."""
        bucket = self.backup.bucket if self.backup else None
        return f"{bucket.prefix if bucket else ''}{self.name}/"
