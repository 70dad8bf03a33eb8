"""The Glue Data Catalog: what a call needs permission for, and a call that names nothing."""

from __future__ import annotations

from typing import Any

import pytest
from hostile import documents, many
from hypothesis import given

from emrbox.aws import glue_permissions

BASE = "arn:aws:glue:us-east-1:123456789012"


def resources(body: Any) -> list[str]:
    return [
        one.removeprefix(f"{BASE}:") for one in glue_permissions.resources("us-east-1", "123456789012", body)
    ]


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ({}, ["catalog"]),
        ({"Name": "d"}, ["catalog", "database/d"]),
        ({"DatabaseInput": {"Name": "d"}}, ["catalog", "database/d"]),
        ({"DatabaseName": "d"}, ["catalog", "database/d"]),
        ({"DatabaseName": "d", "Name": "t"}, ["catalog", "database/d", "table/d/t"]),
        ({"DatabaseName": "d", "TableName": "t"}, ["catalog", "database/d", "table/d/t"]),
        ({"DatabaseName": "d", "TableInput": {"Name": "t"}}, ["catalog", "database/d", "table/d/t"]),
    ],
)
def test_a_call_needs_its_action_on_all_that_it_names(body: dict[str, Any], found: list[str]) -> None:
    assert resources(body) == found


@many
@given(body=documents())
def test_any_request_names_at_least_the_catalog(body: Any) -> None:
    given_body = body if isinstance(body, dict) else {"DatabaseInput": body, "TableName": body}
    found = resources(given_body)
    assert found[0] == "catalog"
    assert all(one.startswith(("database/", "table/")) for one in found[1:])
