"""The account as it is before anyone has used it: one administrator, and nothing else."""

from __future__ import annotations

import json

import moto.settings
from moto.iam.models import iam_backends

from emrbox.aws.auth import PARTITION
from emrbox.config import ACCOUNT_ID, REGION

ADMINISTRATOR = "emrbox-admin"
ALLOW_ALL = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


def seed_account(access_key_id: str, secret_access_key: str) -> None:
    """Create the first account's administrator with the given keys and enforce IAM from here on."""
    create_administrator(access_key_id, secret_access_key, ACCOUNT_ID)
    # Nodes know the endpoint by a name with dots, which moto would read as a bucket and its service.
    moto.settings.S3_IGNORE_SUBDOMAIN_BUCKETNAME = True
    moto.settings.INITIAL_NO_AUTH_ACTION_COUNT = 0


def create_administrator(access_key_id: str, secret_access_key: str, account_id: str) -> None:
    """Create an account's administrator with the given keys."""
    backend = iam_backends[account_id][PARTITION]
    backend.create_user(REGION, ADMINISTRATOR)
    backend.put_user_policy(ADMINISTRATOR, "administrator", json.dumps(ALLOW_ALL))
    key = backend.create_access_key(ADMINISTRATOR)
    del backend.access_keys[key.physical_resource_id]
    key.access_key_id = access_key_id
    key.secret_access_key = secret_access_key
    backend.access_keys[access_key_id] = key
