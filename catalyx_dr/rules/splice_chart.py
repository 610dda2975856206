"""How Splice's validator chart renders an identity import (domain 1.4), as changes to a Deployment it has made.

The chart's own names, texts and order are kept to the letter, so that a later `helm upgrade` with the values of
`rules.identity.splice_helm_values` finds nothing to change and restarts nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from catalyx_dr.model.errors import RefusedError

IMPORT_VARIABLE = "ADDITIONAL_CONFIG_SPLICE_APP_SV_PARTICIPANT_IDENTITIES_DUMP_IMPORT"
MIGRATE_VARIABLE = "ADDITIONAL_CONFIG_MIGRATE_VALIDATOR_PARTY"
IDENTIFIER_VARIABLE = "SPLICE_APP_VALIDATOR_PARTICIPANT_IDENTIFIER"
DUMP_VOLUME = "participant-bootstrapping-dump-volume"
DUMP_FOLDER = "/participant-bootstrapping-dump"
_BACKEND = "canton.validator-apps.validator_backend"
# What the chart renders right after the two variables; the first belongs to charts before 0.6.8.
_AFTER_VARIABLES = ("ADDITIONAL_CONFIG_MIGRATION_ID", "ADDITIONAL_CONFIG_ENABLE_WALLET")
_AFTER_VOLUMES = ("domain-upgrade-dump-volume", "validator-app-volume")
_POD = "/spec/template/spec"

Json = Mapping[str, Any]
Operation = dict[str, Any]


def import_variables(new_identifier: str, scan_url: str) -> dict[str, str]:
    """Environment variables of the import with the texts that the chart gives them."""
    return {
        # The blanks around the identifier are the template's.
        IMPORT_VARIABLE: (
            f"{_BACKEND}.participant-bootstrapping-dump {{\n"
            "  type = file\n"
            f"  file = {DUMP_FOLDER}/content\n"
            f'   new-participant-identifier = "{new_identifier}" \n'
            "}\n"
        ),
        MIGRATE_VARIABLE: f'{_BACKEND}.migrate-validator-party.scan.admin-api.url = "{scan_url}"\n',
        IDENTIFIER_VARIABLE: new_identifier,
    }


def import_changes(deployment: Json, new_identifier: str, scan_url: str, secret: str) -> list[Operation]:
    """JSON Patch that makes `deployment` (as the API gives it) what the chart would render; empty when it is already.

    Touches nothing else. Raises RefusedError when the Deployment has no container of the validator app.
    """
    pod = deployment["spec"]["template"]["spec"]
    index = _validator_container(pod)
    container, place = pod["containers"][index], f"{_POD}/containers/{index}"
    guard = {"op": "test", "path": f"{place}/name", "value": container["name"]}
    mount = {"name": DUMP_VOLUME, "mountPath": DUMP_FOLDER, "readOnly": True}
    volume = {"name": DUMP_VOLUME, "secret": {"secretName": secret}}
    variables = [{"name": name, "value": value} for name, value in import_variables(new_identifier, scan_url).items()]
    changes = [
        *_merged(f"{place}/env", container.get("env") or [], variables, _AFTER_VARIABLES),
        *_merged(f"{place}/volumeMounts", container.get("volumeMounts") or [], [mount], _AFTER_VOLUMES),
        *_merged(f"{_POD}/volumes", pod.get("volumes") or [], [volume], _AFTER_VOLUMES),
    ]
    return [guard, *changes] if changes else []


def carries_import(deployment: Json, new_identifier: str) -> bool:
    """Tell whether the Deployment is set to import a dump as `new_identifier`, whoever set it and in whatever words."""
    pod = deployment["spec"]["template"]["spec"]
    environment = {
        variable["name"]: variable.get("value", "") for variable in pod["containers"][_validator_container(pod)]["env"]
    }
    return (
        environment.get(IDENTIFIER_VARIABLE) == new_identifier
        and f'"{new_identifier}"' in environment.get(IMPORT_VARIABLE, "")
        and MIGRATE_VARIABLE in environment
    )


def _validator_container(pod: Json) -> int:
    names = [container["name"] for container in pod["containers"]]
    if len(names) == 1:
        return 0
    if "validator-app" in names:
        return names.index("validator-app")
    raise RefusedError(
        f"the validator's Deployment has the containers {', '.join(names)}; Splice's chart names one validator-app. "
        "Apply the values yourself (apply: print)"
    )


def _merged(path: str, present: Sequence[Json], wanted: Iterable[Json], after: Sequence[str]) -> list[Operation]:
    """Operations that put each wanted entry in place of one of its name, else before those that follow it."""
    entries = [dict(entry) for entry in present]
    operations: list[Operation] = [] if entries else [{"op": "add", "path": path, "value": []}]
    changed = False
    for entry in wanted:
        names = [one["name"] for one in entries]
        if entry["name"] in names:
            index = names.index(entry["name"])
            if _contains(entries[index], entry):
                continue
            entries[index] = dict(entry)
            operations.append({"op": "replace", "path": f"{path}/{index}", "value": dict(entry)})
        else:
            followers = [names.index(name) for name in after if name in names]
            # The node identifier always is there; without it, its place among the last ones does not matter.
            index = min(followers) if followers and entry["name"] != IDENTIFIER_VARIABLE else len(entries)
            entries.insert(index, dict(entry))
            operations.append({"op": "add", "path": f"{path}/{index}", "value": dict(entry)})
        changed = True
    return operations if changed else []


def _contains(present: Json, wanted: Json) -> bool:
    """Tell whether `present` has all of `wanted`; the API adds defaults such as a Secret volume's file mode."""
    return all(
        _contains(present.get(key, {}), value) if isinstance(value, Mapping) else present.get(key) == value
        for key, value in wanted.items()
    ) and ("valueFrom" not in present or "valueFrom" in wanted)
