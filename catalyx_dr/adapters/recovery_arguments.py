"""How a recovery that was asked for is told to the agent; the same for the stack's Jobs and for those of a person."""

from collections.abc import Iterator

from catalyx_dr.adapters.secret_files import MOUNT_PATH
from catalyx_dr.model.environment_spec import IdentityImportRequest, RecoveryRequest, RestoreRequest


def restore_arguments(request: RestoreRequest, set_id: str) -> tuple[str, ...]:
    """Options of `restore`; `set_id`: what the request's set was found to be."""
    in_place = ("--in-place",) if request.in_place else ()
    return ("--set", set_id, *_common(request), *in_place)


def import_arguments(request: IdentityImportRequest, dump_id: str) -> tuple[str, ...]:
    """Options of `import-identities`; `dump_id`: what the request's dump was found to be."""
    return (
        *("--dump", dump_id),
        *_common(request),
        *("--new-identifier", request.new_participant_identifier),
        *("--apply", request.apply),
        *(("--moved-to", request.moved_to) if request.moved_to else ()),
    )


def _common(request: RecoveryRequest) -> Iterator[str]:
    yield from ("--request", request.request_id, "--source", request.source)
    if request.age_identity is not None:
        yield from ("--age-identity-file", str(MOUNT_PATH / request.age_identity.name / request.age_identity.key))
    for override in request.overrides:
        yield from ("--override", str(override))
