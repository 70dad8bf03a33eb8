"""The size that the inline policies of an IAM user may have together; moto has no limit.

IAM User Guide, "IAM and AWS STS quotas": 2,048 characters, without white space; the message as seen. Longer
policies must be managed ones.
"""

from __future__ import annotations

from typing import Any

from moto.iam.exceptions import LimitExceededException
from moto.iam.models import IAMBackend

MOST_CHARACTERS = 2048
_put_user_policy = IAMBackend.put_user_policy


def install() -> None:
    """Make moto's IAM in this process refuse longer ones."""
    IAMBackend.put_user_policy = _limited  # moto has no extension point here


def _limited(backend: Any, user_name: str, policy_name: str, policy_json: str) -> None:
    documents = {**backend.get_user(user_name).policies, policy_name: policy_json}
    if sum(len("".join(text.split())) for text in documents.values()) > MOST_CHARACTERS:
        raise LimitExceededException(
            f"Maximum policy size of {MOST_CHARACTERS} bytes exceeded for user {user_name}"
        )
    _put_user_policy(backend, user_name, policy_name, policy_json)
