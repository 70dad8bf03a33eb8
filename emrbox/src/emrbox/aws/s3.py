"""Hook into moto's S3: DeleteObjects is allowed or refused key by key.

moto asks whether the caller may delete the *bucket's* ARN and refuses every key when not; S3 checks
s3:DeleteObject for each key, https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html. With the
former no policy that names `bucket/*` lets S3A clean up.
"""

from __future__ import annotations

from typing import Any

import xmltodict
from moto.core.responses import ActionResult
from moto.s3.exceptions import MalformedXML, S3AccessDeniedError
from moto.s3.responses import S3Response

ACCESS_DENIED = {"Code": "AccessDenied", "Message": "Access Denied"}


def install() -> None:
    """Make every DeleteObjects of this process answer by key."""
    S3Response._bucket_response_delete_keys = delete_keys  # noqa: SLF001  # moto has no seam here


def delete_keys(response: Any, bucket_name: str, authenticated: bool = True) -> Any:  # noqa: ARG001, FBT001, FBT002  # moto's own signature
    """Delete the keys of the request's body that the caller may delete; name the others as errors."""
    wanted = xmltodict.parse(response.body, strip_whitespace=False, force_list=("Object",))["Delete"]
    objects = wanted.get("Object", [])
    if not objects:
        raise MalformedXML
    allowed = [item for item in objects if _may_delete(response, bucket_name, item["Key"])]
    refused = [{"Key": item["Key"], **ACCESS_DENIED} for item in objects if item not in allowed]
    bypass = response.headers.get("x-amz-bypass-governance-retention", "").lower() == "true"
    deleted, locked = response.backend.delete_objects(bucket_name, allowed, bypass)
    response.data["Action"] = "DeleteObjects"
    return response.serialized(
        ActionResult(
            {
                "Deleted": [
                    {
                        "Key": key,
                        "VersionId": version or None,
                        "DeleteMarkerVersionId": marker or None,
                        "DeleteMarker": True if marker else None,
                    }
                    for key, version, marker in deleted
                ],
                "Errors": refused + [{"Key": key, **ACCESS_DENIED} for key in locked],
            }
        )
    )


def _may_delete(response: Any, bucket_name: str, key: str) -> bool:
    response.data["Action"] = "DeleteObject"
    try:
        response._authenticate_and_authorize_s3_action(bucket_name=bucket_name, key_name=key)  # noqa: SLF001
    except S3AccessDeniedError:
        return False
    return True
