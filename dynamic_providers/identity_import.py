"""IdentityImport: a validator's party brought back under a new participant from an identity dump, once a request id."""

import json
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import pulumi
from pulumi.dynamic import Resource

from catalyx_dr.model.record import Record, RecordKind
from catalyx_dr.model.selector import may_mean
from dynamic_providers.cluster_job import ClusterJobProvider, Properties, different
from dynamic_providers.request_resource import outputs, progress_urn, quiet


class IdentityImportProvider(ClusterJobProvider):
    """Runs `catalyx-dr import-identities` in the cluster."""

    what = "identity import"
    record_kind: ClassVar[RecordKind | None] = RecordKind.IDENTITY_IMPORT
    bound = ("dump", "newParticipantIdentifier", "source", "apply", "movedTo")

    def means_the_same(self, name: str, olds: Properties, news: Properties) -> bool:
        """`latest` may be replaced by the id that it was."""
        if name == "dump" and news["dump"] == olds.get("dumpId"):
            return True
        return super().means_the_same(name, olds, news)

    def refuse_other_meaning(self, done: Record, props: Properties) -> None:
        """A request that imported one dump under one identifier cannot stand for another."""
        then = done.details.get("dump")
        if isinstance(then, str) and not may_mean(props["dump"], then):
            raise different("dump", done, then, props["dump"])
        identifier = done.details.get("newParticipantIdentifier")
        if identifier not in (None, props["newParticipantIdentifier"]):
            raise different("newParticipantIdentifier", done, identifier, props["newParticipantIdentifier"])


@dataclass(frozen=True)
class IdentityImportArgs:
    """`dump`: as the stack file says; `dump_id`: what it is. `values`: what the validator is set to."""

    validator: str
    namespace: str
    request_id: str
    dump: str
    dump_id: str
    taken_at: str | None
    source: str
    new_participant_identifier: str
    apply: str
    moved_to: str | None
    overrides: tuple[str, ...]
    stops: tuple[str, ...]
    values: dict[str, Any]
    job: dict[str, Any]


class IdentityImport(Resource, module="catalyx-dr", name="IdentityImport"):
    """An identity import. `values` are for the validator's chart or resource, and must stay there in later upgrades."""

    status: pulumi.Output[str]
    finished: pulumi.Output[str]
    message: pulumi.Output[str]
    values: pulumi.Output[dict[str, Any]]

    def __init__(self, name: str, args: IdentityImportArgs, opts: pulumi.ResourceOptions) -> None:
        inputs = {
            "validator": args.validator,
            "namespace": args.namespace,
            "requestId": args.request_id,
            "dump": args.dump,
            "dumpId": args.dump_id,
            "takenAt": args.taken_at,
            "source": args.source,
            "newParticipantIdentifier": args.new_participant_identifier,
            "apply": args.apply,
            "movedTo": args.moved_to,
            "overrides": list(args.overrides),
            "scalesDown": list(args.stops),
            "values": args.values,
            "validatorJob": json.dumps(args.job),
            "progressUrn": progress_urn(self, name, opts),
        }
        super().__init__(IdentityImportProvider(), name, {**inputs, **outputs()}, quiet(opts))

    @property
    def dump_id(self) -> pulumi.Output[str]:
        """Dump that is imported."""
        return cast("pulumi.Output[str]", self.__dict__["dumpId"])
