"""boto3 clients that act as a role, through the box's own endpoint: so the role's policies are enforced."""

from __future__ import annotations

import threading
from typing import Any

import boto3
from botocore.config import Config

from emrbox.aws.auth import assume_role
from emrbox.config import REGION

_CONFIG = Config(retries={"mode": "standard", "total_max_attempts": 2}, s3={"addressing_style": "path"})
# Building a client is slow and shares botocore's loader: one at a time.
_lock = threading.Lock()


def client_as(service: str, role_arn: str, session_name: str, endpoint_url: str) -> Any:
    """Return a client of `service` with a new session of the role."""
    credentials = assume_role(role_arn, session_name)
    with _lock:
        session: Any = boto3.session.Session(
            aws_access_key_id=credentials.access_key_id,
            aws_secret_access_key=credentials.secret_access_key,
            aws_session_token=credentials.session_token,
            region_name=REGION,
        )
        return session.client(service, endpoint_url=endpoint_url, config=_CONFIG)
