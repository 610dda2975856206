"""What all specifications share: frozen, unknown fields refused, camelCase in files, strict numbers and flags."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    StringConstraints,
)
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


# When something was done. Further away no clock is wrong by accident, and no sum with a deadline is a time any more.
Moment = Annotated[AwareDatetime, Field(ge=datetime(1970, 1, 2, tzinfo=UTC), lt=datetime(9000, 1, 1, tzinfo=UTC))]


# As captures tell of themselves.
ParticipantId = Annotated[str, Field(pattern=r"^PAR::.+::.+$")]
CapturedPartyHint = Annotated[str, Field(max_length=253)]
ServerVersionText = Annotated[str, Field(pattern=r"^[0-9]{1,3}(\.[0-9]{1,4})?$")]


def _check_data_key(key: str) -> str:
    if key == "." or key.startswith(".."):
        raise ValueError(f"{key!r} is no key of a Secret: it would lead out of its folder; write the key that is there")
    if key.upper().startswith("AGE-SECRET-KEY"):
        raise ValueError("this is a private key itself, and known to whoever reads the file; name a Secret's key")
    return key


# RFC 1123 label, as Kubernetes wants for namespaces, Services and workloads.
KubernetesName = Annotated[
    str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", min_length=1, max_length=63)
]
# RFC 1123 subdomain, as Kubernetes wants for Secrets, claims and classes.
ObjectName = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$", max_length=253),
]
# A text that says something, on one line; <...> would be a gap that somebody forgot to fill.
Text = Annotated[str, StringConstraints(pattern=r"^[^\s<>]([^<>\n]*[^\s<>])?$")]
# Why a person decided otherwise, as a review and a record show it.
Reason = Annotated[
    str,
    StringConstraints(strip_whitespace=True, pattern=r"^[^\x00-\x1f\x7f]*$", min_length=10, max_length=500),
]
# Key of a Secret's or ConfigMap's data.
DataKey = Annotated[
    str, StringConstraints(pattern=r"^[-._a-zA-Z0-9]+$", max_length=253), AfterValidator(_check_data_key)
]
LabelKey = Annotated[
    str, StringConstraints(pattern=r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$")
]
LabelValue = Annotated[str, StringConstraints(pattern=r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$", max_length=63)]
# Registry, path, tag and digest, as container engines read them.
ImageReference = Annotated[
    str,
    StringConstraints(
        pattern=r"^([A-Za-z0-9.-]+(:[0-9]+)?/)?[a-z0-9]+([._-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*"
        r"(:[A-Za-z0-9_][A-Za-z0-9._-]{0,127})?(@sha256:[0-9a-f]{64})?$"
    ),
]


class SecretKey(Spec):
    """One key of a Kubernetes Secret in the validator's namespace; never the value itself."""

    name: ObjectName
    key: DataKey
