"""The program: from a stack file to the protection of its validators, and the recoveries that it asks for."""

import gc

# What is loaded and declared is kept to the end: collections find nothing to free, and take a fifth of the imports.
gc.disable()

from datetime import UTC, datetime

import pulumi

from catalyx_dr.model.errors import CatalyxDrError
from catalyx_dr.rules.policy import findings, require_no_errors
from components.cluster_lookup import ClusterLookup
from components.protected_stack import declare_stack
from components.sdk_costs import spare_costs
from components.stack_configuration import cluster_of_stack, environment_of_stack

spare_costs()
try:
    now = datetime.now(UTC)
    spec = environment_of_stack()
    found = findings(spec, now)
    require_no_errors(found)
    outputs = declare_stack(spec, found, ClusterLookup(cluster_of_stack(), pulumi.runtime.is_dry_run(), now))
except CatalyxDrError as error:
    raise pulumi.RunError(str(error)) from None
for name, value in outputs.items():
    pulumi.export(name, value)
