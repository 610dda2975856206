"""A pair of dumps that a person took with pg_dump on the database server becomes a set of the validator."""

import subprocess

import boto3
import pytest
from botocore.config import Config

from dev.platform.objects import SHARED_NAMESPACE, read_secret
from dev.platform.reaching import reached
from dev.toolchain import kubectl
from tests.runbooks.conftest import NAMESPACE, VALIDATOR, Rescue

BUCKET = "canton-backups"
DATABASES = {"validator-app": "cantonnet_validator", "participant": "participant"}


def dump_by_hand(rescue: Rescue, database: str) -> bytes:
    command = f'PGPASSWORD="$CNADMIN_PASSWORD" pg_dump -h 127.0.0.1 -U cnadmin --format=custom {database}'
    words = [str(kubectl()), "exec", "-n", NAMESPACE, "postgres-0", "--", "sh", "-c", command]
    return subprocess.run(words, env=rescue.stack.environment, stdout=subprocess.PIPE, check=True).stdout


@pytest.mark.cluster
def test_pair_by_hand_is_adopted_from_the_bucket(rescue: Rescue, capfd: pytest.CaptureFixture[str]) -> None:
    rescue.capture()
    keys = read_secret(rescue.api, NAMESPACE, "backup-store") or {}
    dumps = {role: dump_by_hand(rescue, name) for role, name in DATABASES.items()}
    with reached(rescue.api, SHARED_NAMESPACE, "s3", 7070) as (host, port):
        store = boto3.client(
            "s3",
            endpoint_url=f"http://{host}:{port}",
            region_name="us-east-1",
            aws_access_key_id=keys["access-key-id"],
            aws_secret_access_key=keys["secret-access-key"],
            config=Config(s3={"addressing_style": "path"}),
        )
        for role, dump in dumps.items():
            store.put_object(Bucket=BUCKET, Key=f"{VALIDATOR}/incoming/by-hand/{role}.dump", Body=dump)
        store.close()

    rescue.stack.show("catalyx-dr", "adopt", "set", "by-hand", "--source", "bucket", "--namespace", NAMESPACE)

    told = capfd.readouterr().out
    assert "adopted from incoming/by-hand: decoded, in order" in told
    assert "completed" in told
