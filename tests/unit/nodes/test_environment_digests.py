from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hostile import many, texts
from hypothesis import given

from kiln.errors import UsageError
from kiln.nodes import environment_digests
from kiln.nodes.environment_digests import Place

if TYPE_CHECKING:
    from fakes import FakeAws

PLACE = Place("s3://state/kiln", "stage", "0123456789abcdef")
DIGEST, OTHER = "a" * 64, "b" * 64
NOT_ASKED: Any = None  # what is refused before S3 is asked needs no S3


def put(aws: FakeAws, uri: str, body: bytes) -> None:
    stored = aws.get_object(uri)
    aws.put_object(uri, body, replaces=stored.etag if stored else None)


def test_a_digest_is_kept_where_nodes_cannot_write(aws: FakeAws) -> None:
    assert environment_digests.read(aws, PLACE) == ""
    assert environment_digests.keep(aws, PLACE, DIGEST)
    assert not environment_digests.keep(aws, PLACE, DIGEST)
    assert PLACE.document == "s3://state/kiln/digests/stage/0123456789abcdef.json"
    assert "/envs/" not in PLACE.document


def test_without_digest_or_without_archive_the_environment_is_built(aws: FakeAws) -> None:
    put(aws, PLACE.archive(DIGEST), b"packed")
    assert environment_digests.read(aws, PLACE) == ""
    environment_digests.keep(aws, PLACE, DIGEST)
    assert environment_digests.read(aws, PLACE) == DIGEST
    environment_digests.keep(aws, PLACE, OTHER)
    assert environment_digests.read(aws, PLACE) == ""


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"format": 1}', b'{"format":2,"sha256":"aa"}', b"\xff"])
def test_a_document_that_cannot_be_read_counts_as_none(aws: FakeAws, body: bytes) -> None:
    put(aws, PLACE.document, body)
    assert environment_digests.read(aws, PLACE) == ""
    assert environment_digests.keep(aws, PLACE, DIGEST)


@many
@given(text=texts())
def test_what_is_no_digest_or_no_environment_hash_makes_no_address(text: str) -> None:
    for place, digest in ((PLACE, text), (PLACE._replace(environment_hash=text), DIGEST)):
        with pytest.raises(UsageError) as error:
            environment_digests.keep(NOT_ASKED, place, digest)
        assert error.value.message.isprintable()
