"""What all specifications share: frozen, unknown fields refused, camelCase in files, strict numbers and flags."""

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Strict, StringConstraints
from pydantic.alias_generators import to_camel


class Spec(BaseModel):
    """A frozen value read from a stack file or a JSON document."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True, serialize_by_alias=True
    )


def _refuse_lookalikes(value: object) -> object:
    if isinstance(value, bool | str):
        raise ValueError(f"{value!r} is no whole number; write digits without quotes")
    return value


# A quoted number or `true` is a slip in a stack file; 7.0 is not, since engines hand numbers over as floats.
WholeNumber = Annotated[int, BeforeValidator(_refuse_lookalikes)]
Flag = Annotated[bool, Strict()]

# RFC 1123 label, as Kubernetes wants for most names.
KubernetesName = Annotated[
    str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", min_length=1, max_length=63)
]
# A text that says something, on one line.
Text = Annotated[str, StringConstraints(pattern=r"^\S(.*\S)?$")]
Url = Annotated[str, StringConstraints(pattern=r"^https?://[^/\s]+(/\S*)?$")]
# Key of a Secret's or ConfigMap's data.
DataKey = Annotated[str, StringConstraints(pattern=r"^[-._a-zA-Z0-9]+$", max_length=253)]


class SecretKey(Spec):
    """One key of a Kubernetes Secret in the validator's namespace; never the value itself."""

    name: KubernetesName
    key: DataKey
