"""DatabaseRestore: both databases of a validator brought back from one backup set, once a request id."""

import json
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import pulumi
from pulumi.dynamic import Resource

from catalyx_dr.model.record import READ_SET, Record, RecordKind
from catalyx_dr.model.selector import may_mean
from dynamic_providers.cluster_job import ClusterJobProvider, Properties, different
from dynamic_providers.request_resource import outputs, progress_urn, quiet


class DatabaseRestoreProvider(ClusterJobProvider):
    """Runs `catalyx-dr restore` in the cluster."""

    what = "restore"
    record_kind: ClassVar[RecordKind | None] = RecordKind.RESTORE
    bound = ("set", "source")

    def means_the_same(self, name: str, olds: Properties, news: Properties) -> bool:
        """`latest` may be replaced by the id that it was."""
        if name == "set" and news["set"] == olds.get("setId"):
            return True
        return super().means_the_same(name, olds, news)

    def refuse_other_meaning(self, done: Record, props: Properties) -> None:
        """A request that restored one set cannot stand for another; `latest` means the one it was."""
        then = done.details.get(READ_SET)
        if isinstance(then, str) and not may_mean(props["set"], then):
            raise different("set", done, then, props["set"])


@dataclass(frozen=True)
class DatabaseRestoreArgs:
    """`set`: as the stack file says; `set_id`: what it is. `stops`: workloads that are down during the swap."""

    validator: str
    namespace: str
    request_id: str
    set: str
    set_id: str
    taken_at: str | None
    source: str
    overrides: tuple[str, ...]
    stops: tuple[str, ...]
    job: dict[str, Any]


class DatabaseRestore(Resource, module="catalyx-dr", name="DatabaseRestore"):
    """A restore. Its removal from the stack undoes nothing; a new request id restores again."""

    status: pulumi.Output[str]
    finished: pulumi.Output[str]
    message: pulumi.Output[str]

    def __init__(self, name: str, args: DatabaseRestoreArgs, opts: pulumi.ResourceOptions) -> None:
        inputs = {
            "validator": args.validator,
            "namespace": args.namespace,
            "requestId": args.request_id,
            "set": args.set,
            "setId": args.set_id,
            "takenAt": args.taken_at,
            "source": args.source,
            "overrides": list(args.overrides),
            "scalesDown": list(args.stops),
            "validatorJob": json.dumps(args.job),
            "progressUrn": progress_urn(self, name, opts),
        }
        super().__init__(DatabaseRestoreProvider(), name, {**inputs, **outputs()}, quiet(opts))

    @property
    def set_id(self) -> pulumi.Output[str]:
        """Set that is restored."""
        return cast("pulumi.Output[str]", self.__dict__["setId"])
