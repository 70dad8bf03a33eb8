"""Calls that are refused before a service handles them: no readable signature, or text that is not allowed.

moto answers such calls with a server error, also without a signature, or stores what it cannot return. Codes
and statuses: "Common errors" of each service's API reference, EC2's "Error codes", S3's "Error responses".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from emrbox.aws.call_hook import Refusal
from emrbox.aws.protocol import NOT_XML_TEXT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from werkzeug.wrappers import Request

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=[^/,\s]+/\d{8}/[a-z0-9-]+/[a-z0-9-]+/aws4_request,"
    r"\s*SignedHeaders=([^,\s]+),\s*Signature=[0-9a-f]{64}"
)
_FORM = "application/x-www-form-urlencoded"
_EC2_VERSION = "2016-11-15"
_TAG_KEY = re.compile(r"(?:.*\.)?(?:Tag|Tags\.member)\.\d+\.Key")
_RESERVED = "aws:"
_KEY_LENGTH, _VALUE_LENGTH = 128, 256
_NOT_ENCODED = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]|\xef\xbf[\xbe\xbf]|\xed[\xa0-\xbf][\x80-\xbf]")

# Protocol -> without a signature; with one that cannot be read; what cannot be done.
_MISSING = {
    "json": ("MissingAuthenticationTokenException", "Missing Authentication Token", 400),
    "ec2": ("AuthFailure", "AWS was not able to validate the provided access credentials", 401),
    "query": ("MissingAuthenticationToken", "Request is missing Authentication Token", 403),
    "s3": ("AccessDenied", "Access Denied", 403),
}
_UNREADABLE = {
    "json": ("IncompleteSignatureException", "Authorization header is not complete", 400),
    "ec2": _MISSING["ec2"],
    "query": ("IncompleteSignature", "Authorization header is not complete", 400),
    "s3": ("AuthorizationHeaderMalformed", "The authorization header that you provided is not valid.", 400),
}
_IMPOSSIBLE = {"json": "ValidationException", "ec2": "InvalidParameterValue", "query": "ValidationError"}
_IMPOSSIBLE_TEXT = "The request does not fit the operation, or asks for what emrbox does not have."
_PRESIGNED = Refusal("InvalidRequest", "emrbox does not take presigned URLs.", 400)


def protocol_of(request: Request, body: bytes, service: str) -> str:
    """Return json, ec2, query or s3: in which form a call is refused."""
    if "X-Amz-Target" in request.headers:
        return "json"
    if service == "ec2" or (request.mimetype == _FORM and f"Version={_EC2_VERSION}".encode() in body):
        return "ec2"
    if request.mimetype == _FORM or (service != "s3" and b"Action=" in body):
        return "query"
    return "s3"


def is_of_object(request: Request) -> bool:
    """Whether the answer is what an object holds; only S3 is read by GET and HEAD of a path with a key."""
    is_key = "/" in request.path.strip("/")
    return request.method in {"GET", "HEAD"} and is_key and not {"tagging", "acl"} & set(request.args)


def impossible(protocol: str) -> Refusal:
    """Return the refusal of a call at which moto has failed."""
    return Refusal(_IMPOSSIBLE.get(protocol, "InvalidRequest"), _IMPOSSIBLE_TEXT, 400)


def refusal(request: Request, body: bytes, protocol: str) -> Refusal | None:
    """Return why a call is refused; None if it is not."""
    authorization = request.headers.get("Authorization")
    if authorization is None:
        return _PRESIGNED if "X-Amz-Signature" in request.args else Refusal(*_MISSING[protocol])
    signed = _AUTHORIZATION.fullmatch(authorization)
    if signed is None or "x-amz-date" not in signed[1].split(";") or "X-Amz-Date" not in request.headers:
        return Refusal(*_UNREADABLE[protocol])
    if protocol in ("ec2", "query"):
        return _text_refusal(body, request.query_string, protocol)
    tags = parse_qsl(request.headers.get("X-Amz-Tagging", ""), keep_blank_values=True)
    if any(key.lower().startswith(_RESERVED) for key, _ in tags):
        return Refusal("InvalidTag", "System tags cannot be added/updated by requester", 400)
    return None


def _text_refusal(body: bytes, query: bytes, protocol: str) -> Refusal | None:
    """Refuse what an XML answer cannot contain, and tags that are reserved or too long."""
    try:
        pairs = parse_qsl(b"&".join((body, query)).decode(), keep_blank_values=True, errors="strict")
    except ValueError:
        return Refusal(_IMPOSSIBLE[protocol], "The request is not a form in UTF-8.", 400)
    values = dict(pairs)
    if len(values) < len(pairs):
        # Parsers differ in which one they use: one that is not checked here could take effect.
        return Refusal(_IMPOSSIBLE[protocol], "A parameter is in the request more than once.", 400)
    if any(NOT_XML_TEXT.search(text) for pair in values.items() for text in pair):
        return Refusal(_IMPOSSIBLE[protocol], "A value holds a character that XML does not allow.", 400)
    if protocol == "ec2":
        return _tag_refusal(values)
    if any(_TAG_KEY.fullmatch(n) and v.lower().startswith(_RESERVED) for n, v in values.items()):
        return Refusal("InvalidInput", "Tag keys that start with 'aws:' are reserved for AWS.", 400)
    return None


def _tag_refusal(values: Mapping[str, str]) -> Refusal | None:
    """Refuse tags as EC2 does. "Tag your Amazon EC2 resources", Tag restrictions; messages as seen."""
    seen: set[tuple[str, str]] = set()
    for name, key in values.items():
        if not _TAG_KEY.fullmatch(name):
            continue
        of = (name.rsplit(".", 2)[0], key)
        value = values.get(f"{name.removesuffix('Key')}Value")
        problem = _tag_problem(key, value, required=values.get("Action") != "DeleteTags")
        if of in seen:
            problem = f"Duplicate tag key '{key}' specified."
        if problem:
            return Refusal("InvalidParameterValue", problem, 400)
        seen.add(of)
    return None


def _tag_problem(key: str, value: str | None, *, required: bool) -> str | None:
    if not key:
        return "Tag key cannot be null or empty."
    if key.lower().startswith(_RESERVED):
        return (
            f"Value ( {key} ) for parameter key is invalid. "
            "Tag keys starting with 'aws:' are reserved for internal use"
        )
    if len(key) > _KEY_LENGTH:
        return f"Tag key exceeds the maximum length of {_KEY_LENGTH} characters"
    if value is None:
        return "Tag value cannot be null. Use empty string instead." if required else None
    if len(value) > _VALUE_LENGTH:
        return f"Tag value exceeds the maximum length of {_VALUE_LENGTH} characters"
    return None


def well_formed(xml: bytes) -> bytes:
    """Return an answer that every client can read: what XML does not allow becomes U+FFFD.

    A carriage return is written as a reference: otherwise parsers read it as a line feed.
    """
    return _NOT_ENCODED.sub(b"\xef\xbf\xbd", xml).replace(b"\r", b"&#13;")
