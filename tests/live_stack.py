"""A declared validator as real objects in a namespace of a real cluster, and records beside them."""

from collections.abc import Iterable
from contextlib import closing
from typing import Any

from lightkube import Client, codecs
from lightkube.core.exceptions import ApiError
from lightkube.resources.core_v1 import ServiceAccount
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from catalyx_dr.adapters.cluster import FIELD_MANAGER, connect
from catalyx_dr.adapters.records import ClusterRecords
from catalyx_dr.model.record import Record
from catalyx_dr.model.validator_spec import ValidatorSpec
from catalyx_dr.rules.environments import load_environment
from dev.cluster import kubeconfig_path
from tests.components.rendering import rendered
from tests.components.specs import VALIDATOR, raw_stack

AGENT_IMAGE = "localhost/catalyx-dr/agent:dev"


def declare_live(client: Client, namespace: str, image: str = AGENT_IMAGE, **changes: Any) -> ValidatorSpec:
    """Apply every Kubernetes object that a stack with this one validator declares; returns its specification.

    `changes` replace keys of the validator's block; None takes one away.
    """
    document = {key: one for key, one in (VALIDATOR | {"namespace": namespace} | changes).items() if one is not None}
    stack = load_environment(raw_stack(validators=[document]) | {"agent": {"image": image}})
    for resource in rendered(stack):
        if "apiVersion" in resource.inputs and resource.type.startswith("kubernetes:"):
            client.apply(
                codecs.from_dict(_with_whole_numbers(resource.inputs)), field_manager=FIELD_MANAGER, force=True
            )
    _wait_for_account(client, namespace)
    return stack.validators[0]


def save_live(namespace: str, records: Iterable[Record]) -> None:
    """Keep records in the namespace as operations do."""
    with closing(connect(namespace, str(kubeconfig_path()))) as cluster:
        for record in records:
            ClusterRecords(cluster).save(record)


def _with_whole_numbers(value: Any) -> Any:
    """The engine's protocol knows no integers."""
    if isinstance(value, dict):
        return {key: _with_whole_numbers(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_with_whole_numbers(one) for one in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


@retry(retry=retry_if_exception_type(ApiError), stop=stop_after_delay(30), wait=wait_fixed(0.2), reraise=True)
def _wait_for_account(client: Client, namespace: str) -> None:
    client.get(ServiceAccount, "default", namespace=namespace)
