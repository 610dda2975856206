"""KeptBackups: says on removal what is left behind, because nothing of it is ever deleted with the stack."""

from dataclasses import dataclass

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, ReadResult, Resource, ResourceProvider, UpdateResult

from dynamic_providers.cluster_job import Properties
from dynamic_providers.progress_lines import progress_lines
from dynamic_providers.request_resource import progress_urn, quiet


class KeptBackupsProvider(ResourceProvider):
    """Talks to nothing but the person."""

    serialize_as_secret_always = False

    def diff(self, _id: str, _olds: Properties, _news: Properties) -> DiffResult:
        """Another list is an update."""
        return DiffResult(changes=_olds.get("kept") != _news.get("kept"))

    def create(self, props: Properties) -> CreateResult:
        """Remember the list."""
        return CreateResult(props["validator"], dict(props))

    def update(self, _id: str, _olds: Properties, _news: Properties) -> UpdateResult:
        """Remember the new list."""
        return UpdateResult(dict(_news))

    def read(self, id_: str, props: Properties) -> ReadResult:
        """The list is the stack's own."""
        return ReadResult(id_, props)

    def delete(self, _id: str, _props: Properties) -> None:
        """Say what stays."""
        say = progress_lines(_props.get("progressUrn"))
        say(f"backups of {_props['validator']} are not deleted: {'; '.join(_props['kept'])}")


@dataclass(frozen=True)
class KeptBackupsArgs:
    """`kept`: what stays, each with where it is."""

    validator: str
    kept: tuple[str, ...]


class KeptBackups(Resource, module="catalyx-dr", name="KeptBackups"):
    """The list of what outlives the stack."""

    def __init__(self, name: str, args: KeptBackupsArgs, opts: pulumi.ResourceOptions) -> None:
        inputs = {
            "validator": args.validator,
            "kept": list(args.kept),
            "progressUrn": progress_urn(self, name, opts),
        }
        super().__init__(KeptBackupsProvider(), name, inputs, quiet(opts))
