"""The real effects on S3."""

from __future__ import annotations

from functools import cached_property, partial
from typing import Any
from urllib.parse import urlsplit

from botocore import exceptions as aws

from kiln.aws import convert, effects
from kiln.aws.clients import Clients
from kiln.aws.translate import translate
from kiln.errors import AwsError

_ABSENT = frozenset({"NoSuchKey", "404"})
_REFUSED = "AccessDenied"


def split_uri(uri: str) -> tuple[str, str]:
    """Return bucket and key of `s3://bucket/key`."""
    parts = urlsplit(uri, allow_fragments=False)
    return parts.netloc, uri.partition(parts.netloc + "/")[2]


class BotoS3(Clients):
    """Objects of S3."""

    @cached_property
    def _s3(self) -> Any:
        return self.client("s3")

    def get_object(
        self, uri: str, *, most_bytes: int = effects.MOST_BYTES, from_end: bool = False
    ) -> effects.StoredObject | None:
        """Return an S3 object, or its first (or last) bytes; None when it is not there."""
        part = {"Range": f"bytes=-{most_bytes}"} if from_end else {}
        try:
            answer = self._found(uri, **part)
        except AwsError as error:
            if error.code == "InvalidRange":  # the last bytes of an empty object
                return effects.StoredObject(body=b"", etag="", size=0)
            raise
        if answer is None:
            return None
        # Content-Range is `bytes 10-19/20`.
        size = int(str(answer.get("ContentRange", "")).rpartition("/")[2] or answer["ContentLength"])
        try:
            with answer["Body"] as stream:
                body: bytes = stream.read(most_bytes)
        except (aws.BotoCoreError, OSError) as error:
            raise translate(error, "GetObject", self._s3.meta.endpoint_url) from error
        return effects.StoredObject(
            body=body, etag=str(answer["ETag"]), size=size, read_at=convert.date_of(answer)
        )

    def _found(self, uri: str, **part: str) -> Any | None:
        """Return S3's answer about an object; None when it is not there."""
        bucket, key = split_uri(uri)
        get = partial(self.call, self._s3, "get_object", Bucket=bucket, Key=key, **part)
        try:
            return get()
        except AwsError as error:
            if error.code in _ABSENT:
                return None
            if error.code != _REFUSED:
                raise
            if not self._is_listed(uri, error):
                return None
        # Another process may have written it after it was refused for being absent.
        return get()

    def _is_listed(self, uri: str, error: AwsError) -> bool:
        """Return whether a refused object is there. Raises the refusal when its listing is refused, too.

        S3 answers AccessDenied for a missing key when the caller may not list the bucket
        (https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html), and iam/operator.json allows
        listing of a few prefixes only.
        """
        try:
            return any(found.uri == uri for found in self.list_objects(uri))
        except AwsError as refused:
            raise (error if refused.code == _REFUSED else refused) from None

    def put_object(self, uri: str, body: bytes, *, replaces: str | None) -> str:
        """Write an S3 object if the version that is there is the expected one."""
        bucket, key = split_uri(uri)
        condition = {"IfNoneMatch": "*"} if replaces is None else {"IfMatch": replaces}
        answer = self.call(
            self._s3,
            "put_object",
            Bucket=bucket,
            Key=key,
            Body=body,
            ContentType="application/json",
            **condition,
        )
        return str(answer["ETag"])

    def list_objects(self, uri: str, *, most: int = effects.MOST_OBJECTS) -> list[effects.ObjectSummary]:
        """Return the objects below a prefix, no more than `most`."""
        bucket, prefix = split_uri(uri)
        limit = {"MaxItems": most}
        pages = self.pages(self._s3, "list_objects_v2", Bucket=bucket, Prefix=prefix, PaginationConfig=limit)
        return [convert.object_summary(bucket, raw) for page in pages for raw in convert.listed_objects(page)]
