"""An identity dump of others joins the history through a real Job; what is refused leaves nothing behind."""

import json
from datetime import timedelta
from pathlib import Path
from unittest.mock import Mock

import pytest
from lightkube import Client
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.batch_v1 import Job
from lightkube.resources.core_v1 import Secret
from lightkube.types import CascadeType

from catalyx_dr.adapters import jobs
from catalyx_dr.adapters.cluster import Cluster
from catalyx_dr.adapters.waiting import came_true
from catalyx_dr.model.errors import CatalyxDrError
from catalyx_dr.model.record import Record, RecordKind
from tests.cli.conftest import Typed
from tests.fixtures_identity import FINGERPRINT, make_dump
from tests.live_stack import declare_live

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.filterwarnings("ignore:.*has been deprecated in favor of:DeprecationWarning"),
]
PARTY = f"acme-validator-1::{FINGERPRINT}"
VOLUME_ONLY = {"volume": {"storageClass": "standard"}}


def left(client: Client, namespace: str) -> list[str]:
    """Jobs and Secrets of the namespace, but for dumps that are listed."""
    names = [job.metadata.name for job in client.list(Job, namespace=namespace)]  # type: ignore[union-attr]
    names += [one.metadata.name for one in client.list(Secret, namespace=namespace)]  # type: ignore[union-attr]
    return sorted(str(name) for name in names if not str(name).startswith("acme-identities-"))


def history(typed: Typed, namespace: str) -> list[Record]:
    return [Record.model_validate(one) for one in json.loads(typed("history", "-n", namespace, "--json").out)]


def test_file_of_splice_is_adopted_under_the_moment_of_its_name(
    client: Client, namespace: str, typed: Typed, tmp_path: Path
) -> None:
    declare_live(client, namespace, backup=VOLUME_ONLY)
    file = tmp_path / "participant_identities_2026-03-01T06_00_00.123Z.json"
    file.write_text(json.dumps(make_dump()))

    refused = typed("adopt", "dump", str(file), "-n", namespace)
    told = typed("adopt", "dump", str(file), "-n", namespace, "--party-id", PARTY)

    assert refused.code == 2
    assert "give --party-id" in refused.out + refused.err
    assert told.code == 0, told
    (record,) = history(typed, namespace)
    assert (record.kind, record.identifier) == (RecordKind.IDENTITY_DUMP, "20260301t060000z")
    assert client.get(Secret, "acme-identities-20260301t060000z", namespace=namespace).immutable
    assert left(client, namespace) == []


def test_secret_of_a_file_goes_with_its_job_when_the_command_is_killed(
    client: Client, namespace: str, typed: Typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare_live(client, namespace, backup=VOLUME_ONLY)
    file = tmp_path / "dump.json"
    file.write_text(json.dumps(make_dump()))
    with monkeypatch.context() as killed:
        killed.setattr(jobs, "follow", Mock(side_effect=CatalyxDrError("killed")))
        killed.setattr(jobs, "remove", Mock())
        killed.setattr(Cluster, "delete_secret", Mock())
        assert typed("adopt", "dump", str(file), "-n", namespace).code == 1
    job, secret = left(client, namespace)
    assert job == secret

    client.delete(Job, job, namespace=namespace, cascade=CascadeType.BACKGROUND)

    assert came_true(lambda: left(client, namespace) == [], timedelta(seconds=60))


def test_secret_of_the_vendor_is_adopted_and_stays(client: Client, namespace: str, typed: Typed) -> None:
    declare_live(client, namespace, backup=VOLUME_ONLY)
    metadata = ObjectMeta(name="iddump-7", namespace=namespace)
    client.create(Secret(metadata=metadata, stringData={"content": json.dumps(make_dump())}))

    told = typed("adopt", "dump", "--secret", "iddump-7", "-n", namespace, "--party-id", PARTY)

    assert told.code == 0, told
    (record,) = history(typed, namespace)
    assert "adopted from Secret iddump-7" in record.message
    assert left(client, namespace) == ["iddump-7"]


def test_file_that_is_no_dump_is_refused_before_anything_is_touched(
    client: Client, namespace: str, typed: Typed, tmp_path: Path
) -> None:
    declare_live(client, namespace, backup=VOLUME_ONLY)
    file = tmp_path / "dump.json"
    file.write_text('{"id": "nothing"}')
    told = typed("adopt", "dump", str(file), "-n", namespace)
    assert told.code == 2
    assert "this is no identity dump" in told.err
    assert left(client, namespace) == []
