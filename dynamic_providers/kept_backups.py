"""KeptBackups: says on removal what is left behind, because nothing of it is ever deleted with the stack."""

from collections.abc import Iterable, Mapping
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, ReadResult, Resource, ResourceProvider, UpdateResult

from dynamic_providers.progress_lines import progress_lines
from dynamic_providers.request_resource import progress_urn, quiet

Properties = dict[str, Any]


class KeptBackupsProvider(ResourceProvider):
    """Talks to nothing but the person."""

    serialize_as_secret_always = False

    def diff(self, _id: str, _olds: Properties, _news: Properties) -> DiffResult:
        """Another list is an update."""
        return DiffResult(changes=_olds.get("kept") != _news.get("kept"))

    def create(self, props: Properties) -> CreateResult:
        """Remember the list."""
        return CreateResult("kept-backups", dict(props))

    def update(self, _id: str, _olds: Properties, _news: Properties) -> UpdateResult:
        """Remember the new list; say what stays of validators that are no longer on it."""
        self._say(_olds, set(_olds["kept"]) - set(_news["kept"]))
        return UpdateResult(dict(_news))

    def read(self, id_: str, props: Properties) -> ReadResult:
        """The list is the stack's own."""
        return ReadResult(id_, props)

    def delete(self, _id: str, _props: Properties) -> None:
        """Say what stays of all."""
        self._say(_props, _props["kept"])

    def _say(self, props: Properties, validators: Iterable[str]) -> None:
        say = progress_lines(props.get("progressUrn"))
        for name in sorted(validators):
            say(f"backups of {name} are not deleted: {'; '.join(props['kept'][name])}")


class KeptBackups(Resource, module="catalyx-dr", name="KeptBackups"):
    """What outlives the stack: validator -> where its backups are. One a stack, since it is only a list."""

    def __init__(self, name: str, kept: Mapping[str, list[str]], opts: pulumi.ResourceOptions | None = None) -> None:
        options = opts or pulumi.ResourceOptions()
        inputs = {"kept": dict(kept), "progressUrn": progress_urn(self, name, options)}
        super().__init__(KeptBackupsProvider(), name, inputs, quiet(options))
