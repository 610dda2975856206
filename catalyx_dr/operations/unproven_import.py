"""Whether an identity import brought up the participant that is captured, and has not proven it."""

from catalyx_dr.model.record import RecordKind
from catalyx_dr.model.validator_spec import ValidatorSpec
from catalyx_dr.operations.surroundings import Surroundings
from catalyx_dr.rules.identity_history import unproven_start


def attention_to_imports(
    spec: ValidatorSpec, surroundings: Surroundings, participant_id: str | None
) -> tuple[str, ...]:
    """What a capture of this participant has to tell; raises UnprovenError while that import goes on."""
    if participant_id is None:
        return ()
    imports = surroundings.records.legible(spec.name, RecordKind.IDENTITY_IMPORT).records
    told = unproven_start(imports, participant_id, surroundings.now())
    return (told,) if told else ()
