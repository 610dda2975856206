"""A stand-in of an operator that keeps validators declared by custom resources, as a vendor's does.

It is there to prove that the product gets along with one that it knows nothing of: group, kind and fields are its own,
but for the import block that the vendor's guide names.
"""

from dev.validator_operator.operator import KIND, RESOURCE, ValidatorOperator, defined

__all__ = ["KIND", "RESOURCE", "ValidatorOperator", "defined"]
