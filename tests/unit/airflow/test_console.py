"""Addresses of links: only ever a page of the AWS console."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest
from hostile import documents, many, texts
from hypothesis import given
from hypothesis import strategies as st

from kiln_airflow.console import page


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("s3://state/kiln/prod/p/r1.json", "/object/state?prefix=kiln/prod/p/r1.json"),
        ("s3://logs/emr/j-1/", "/buckets/logs?prefix=emr/j-1/"),
        ("s3://b-1/a+b:c", "/object/b-1?prefix=a%2Bb%3Ac"),
    ],
)
def test_an_address_has_its_page(address: str, expected: str) -> None:
    assert page(address) == f"https://console.aws.amazon.com/s3{expected}"


@many
@given(st.one_of(documents(), texts(), texts().map(lambda text: f"s3://bucket/{text}")))
def test_whatever_an_address_is_its_page_is_one_of_the_console_or_none(address: Any) -> None:
    found = page(address)
    if found:
        parts = urlsplit(found)
        assert (parts.scheme, parts.netloc, parts.fragment) == ("https", "console.aws.amazon.com", "")
        assert parts.query.startswith("prefix=")
        assert not set(found) & set(" \"'<>\n\r\t&#{}")
