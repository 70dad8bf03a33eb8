"""The end of an account leaves the others' objects alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from moto.s3.models import s3_backends

from emrbox.aws.accounts import Accounts

if TYPE_CHECKING:
    from collections.abc import Iterator

REGION = "aws"


@pytest.fixture
def accounts() -> Iterator[Accounts]:
    made = Accounts([])
    yield made
    for account_id in made.open_ids():
        made.close(account_id)


def put(account_id: str, bucket: str, body: bytes) -> None:
    backend = s3_backends[account_id][REGION]
    backend.create_bucket(bucket, "us-east-1")
    backend.put_object(bucket, "key", body)


def read(account_id: str, bucket: str) -> bytes:
    found = s3_backends[account_id][REGION].get_object(bucket, "key")
    assert found is not None
    value: bytes = found.value
    return value


@pytest.mark.usefixtures("empty_moto")
def test_objects_of_one_account_can_be_read_after_another_account_has_ended(accounts: Accounts) -> None:
    first, second = (accounts.open()["account_id"] for _ in range(2))
    put(first, "first", b"stays")
    put(second, "second", b"goes")
    accounts.close(second)
    assert read(first, "first") == b"stays"
    assert second not in s3_backends.keys()  # noqa: SIM118  # moto's `in` is another
