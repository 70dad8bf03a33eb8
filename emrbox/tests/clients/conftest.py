"""Other people's clients, each from its own environment, on a box of the tests' own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from emrbox.box import lifecycle

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from emrbox.pytest_plugin import Account


@pytest.fixture(scope="session")
def emrbox_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    home = tmp_path_factory.mktemp("box")
    yield home
    lifecycle.down(home)


@pytest.fixture
def account(aws_account: Account) -> Account:
    """An account in which EMR's default roles and a bucket, named after it, are made."""
    aws_account.create_default_roles()
    aws_account.client("s3").create_bucket(Bucket=f"data-{aws_account.account_id}")
    return aws_account
