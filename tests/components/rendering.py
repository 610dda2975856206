"""Runs declarations without engine or cluster and tells what was declared."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pulumi
import yaml
from pulumi.runtime import mocks
from pulumi.runtime.mocks import MockMonitor, MockResourceArgs, Mocks, set_mocks

from catalyx_dr.model.environment_spec import EnvironmentSpec
from catalyx_dr.rules.environments import load_environment
from catalyx_dr.rules.policy import findings
from components.cluster_lookup import ClusterLookup
from components.protected_stack import declare_stack
from components.sdk_costs import spare_costs
from dynamic_providers.cluster_access import ClusterAccess

PROJECT_FOLDER = Path(__file__).parents[2]
NOW = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
_JSON_TEXTS = ("validator.json", "validatorJob", "policy")


@dataclass
class Declared:
    """One resource as it was registered."""

    type: str
    name: str
    inputs: dict[str, Any]
    parent: str
    depends_on: list[str]
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def document(self) -> dict[str, Any]:
        """What a golden file shows of it."""
        shown = {"type": self.type, "name": self.name, "parent": self.parent, "inputs": _readable(self.inputs)}
        return shown | ({"options": self.options} if self.options else {})


class _Answers(Mocks):
    def call(self, args: mocks.MockCallArgs) -> tuple[dict[str, Any], None]:
        return {}, None

    def new_resource(self, args: MockResourceArgs) -> tuple[str, dict[str, Any]]:
        outputs = dict(args.inputs)
        if args.typ == "aws:s3/bucket:Bucket":
            outputs["arn"] = f"arn:aws:s3:::{args.inputs['bucket']}"
        return f"{args.name}-id", outputs


class _Monitor(MockMonitor):
    def __init__(self, answers: Mocks) -> None:
        super().__init__(answers)
        self.declared: list[Declared] = []

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 - named by the protocol
        if request.type != "pulumi:pulumi:Stack":
            self.declared.append(_declared(request))
        return super().RegisterResource(request)  # type: ignore[no-untyped-call]


def _declared(request: Any) -> Declared:
    options = {
        "protect": request.protect,
        "retainOnDelete": request.retainOnDelete,
        "ignoreChanges": list(request.ignoreChanges),
        "hideDiffs": list(request.hideDiffs),
    }
    return Declared(
        type=request.type,
        name=request.name,
        inputs=pulumi.runtime.rpc.deserialize_properties(request.object),
        parent=_name(request.parent),
        depends_on=sorted(_name(urn) for urn in request.dependencies),
        options={name: value for name, value in options.items() if value},
    )


def _name(urn: str) -> str:
    return "" if "pulumi:pulumi:Stack::" in urn else urn.rpartition("::")[2]


def _readable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {
            key: json.loads(one) if key in _JSON_TEXTS and isinstance(one, str) else _readable(one)
            for key, one in value.items()
            if key != "__provider"
        }
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return [_readable(one) for one in value] if isinstance(value, list) else value


def declared_by(declare: Callable[[], Any], stack: str = "test") -> list[Declared]:
    """Run `declare` as a program and return what it declared, sorted by type and name."""
    spare_costs()  # as the program does: what reads an output that is not resolved shows
    answers = _Answers()
    monitor = _Monitor(answers)
    set_mocks(answers, project="catalyx-dr", stack=stack, preview=False, monitor=monitor)

    @pulumi.runtime.test  # type: ignore[untyped-decorator]
    def program() -> None:
        declare()

    program()
    return sorted(monitor.declared, key=lambda one: (one.type, one.name))


def stack_file(stack: str) -> dict[str, Any]:
    """Configuration of a committed stack file, as `load_environment` reads it."""
    document = yaml.safe_load((PROJECT_FOLDER / "stacks" / f"Pulumi.{stack}.yaml").read_text())
    prefix = "catalyx-dr:"
    return {key.removeprefix(prefix): value for key, value in document["config"].items() if key.startswith(prefix)}


def no_cluster() -> ClusterLookup:
    """A preview that reaches no cluster."""
    return ClusterLookup(ClusterAccess(kubeconfig="/nonexistent/kubeconfig"), preview=True, now=NOW)


def rendered(spec: EnvironmentSpec, lookup: ClusterLookup | None = None, stack: str = "test") -> list[Declared]:
    """Everything that a stack declares."""
    return declared_by(lambda: declare_stack(spec, findings(spec, NOW), lookup or no_cluster()), stack)


def rendered_stack(stack: str) -> list[Declared]:
    """Everything that a committed stack declares."""
    return rendered(load_environment(stack_file(stack)), stack=stack)


def one(resources: list[Declared], kind: str, name: str) -> Declared:
    """The only resource of a type ending in `kind` and of a name."""
    found = [resource for resource in resources if resource.type.endswith(kind) and resource.name == name]
    assert len(found) == 1, f"{len(found)} of {kind} {name}"
    return found[0]
