"""Users with one policy each, on the endpoint of a test."""

from __future__ import annotations

import json
from typing import Any

import boto3
from botocore.exceptions import ClientError

LAUNCH: dict[str, Any] = {"ImageId": "ami-12c6146b", "MinCount": 1, "MaxCount": 1}
REFUSED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"}


def allow(*actions: str, **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": "*", **more}


class Someone:
    """A user with one policy, and what it may do."""

    def __init__(self, endpoint: Any, policy: dict[str, Any] | str) -> None:
        self._endpoint = endpoint
        iam = endpoint.client("iam")
        iam.create_user(UserName="someone")
        if isinstance(policy, str):
            iam.attach_user_policy(UserName="someone", PolicyArn=policy)
        else:
            document = json.dumps({"Version": "2012-10-17", **policy})
            made = iam.create_policy(PolicyName="someone", PolicyDocument=document)
            iam.attach_user_policy(UserName="someone", PolicyArn=made["Policy"]["Arn"])
        key = iam.create_access_key(UserName="someone")["AccessKey"]
        self._keys = (key["AccessKeyId"], key["SecretAccessKey"])

    def client(self, service: str, region: str = "us-east-1") -> Any:
        key, secret = self._keys
        return boto3.client(
            service,  # type: ignore[call-overload]  # any service
            endpoint_url=self._endpoint.url,
            region_name=region,
            aws_access_key_id=key,
            aws_secret_access_key=secret,
        )

    def may(self, service: str, operation: str, *, region: str = "us-east-1", **request: Any) -> bool:
        try:
            getattr(self.client(service, region), operation)(**request)
        except ClientError as problem:
            if problem.response["Error"]["Code"] not in REFUSED:
                raise
            return False
        return True
