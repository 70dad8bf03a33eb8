"""The callers of Athena as callers of S3 and Glue: with their own keys, so that their policies hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from emrbox.aws.auth import Caller

ABSENT = frozenset({"NoSuchBucket", "NoSuchKey", "404"})
DENIED = frozenset({"AccessDenied", "AccessDeniedException", "403"})


@dataclass(frozen=True)
class Clients:
    """The services that a query calls, as its caller. Athena's calls of them carry the caller's permissions.

    https://docs.aws.amazon.com/athena/latest/ug/s3-permissions.html
    """

    s3: Any
    glue: Any

    def close(self) -> None:
        """Close the connections."""
        self.s3.close()
        self.glue.close()


def clients_of(caller: Caller, endpoint_url: str) -> Clients:
    """Return the clients of an authenticated caller."""
    key = caller.key
    if key is None:
        raise RuntimeError(f"{caller.arn} was not authenticated by a request")

    def client(service: str) -> Any:
        return boto3.client(
            service,  # type: ignore[call-overload]  # any service
            endpoint_url=endpoint_url,
            region_name=caller.region,
            aws_access_key_id=key.access_key_id,
            aws_secret_access_key=key.secret_access_key,
            aws_session_token=key.session_token,
            config=Config(s3={"addressing_style": "path"}, user_agent_extra="athena.amazonaws.com"),
        )

    return Clients(client("s3"), client("glue"))


def split_location(location: str) -> tuple[str, str]:
    """Return bucket and key of an `s3://` address; ValueError for what is none."""
    scheme, _, rest = location.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme not in {"s3", "s3a", "s3n"} or not bucket:
        raise ValueError(f"{location!r} is not an S3 location")
    return bucket, key
