"""moto's own tests against a box: a plugin for the pytest that runs them (test_moto.py).

Their decorator, which puts moto in place of AWS, does nothing here. Each test has an account of its own, with
EMR's default roles, whose clusters are hollow.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import boto3
import moto
import pytest
from moto_differences import LEFT_OUT

if TYPE_CHECKING:
    from emrbox.pytest_plugin import Account, Box

LONGER_THAN_A_TEST_SECONDS = 86_400


def _no_mock(function: Any = None) -> Any:
    return contextlib.nullcontext() if function is None else function


moto.mock_aws = _no_mock  # before the tests import it


@pytest.fixture(autouse=True)
def account(
    aws_account: Account, emrbox: Box, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Give a test what it takes for granted: roles, its account's number, steps that run on."""
    aws_account.create_default_roles()
    aws_account.script_step("*", seconds=LONGER_THAN_A_TEST_SECONDS)
    if hasattr(request.module, "ACCOUNT_ID"):
        monkeypatch.setattr(request.module, "ACCOUNT_ID", aws_account.account_id)
    # A launch of moto is answered when its cluster is ready; in a box the cluster is ready a moment later.
    session: Any = boto3.DEFAULT_SESSION
    session.events.register("after-call.emr", lambda **_: emrbox.advance(0))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what the table names; a name in it that no test has is an error."""
    found = {item: (item.path.name, _name(item)) for item in items}
    named = {(file, name) for file, names in LEFT_OUT.items() for name in names}
    if unknown := named - set(found.values()):
        raise pytest.UsageError(f"moto_differences.py: moto has no such tests: {sorted(unknown)}")
    items[:] = [item for item in items if found[item] not in named]
    config.hook.pytest_deselected(items=[item for item in found if found[item] in named])


def _name(item: pytest.Item) -> str:
    """Return the name of a test's function, or of its class."""
    return item.nodeid.split("::")[1].partition("[")[0]
