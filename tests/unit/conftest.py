"""A virtual clock, an AWS in memory, and what tests build on them."""

from __future__ import annotations

import random

import pytest
from fakes import FakeAws, VirtualClock

from kiln.aws.context import Context
from kiln.identity import Identity
from kiln.ledger.store import Ledger

IDENTITY = Identity(environment="local", pipeline="model_building", run_id="r1", owner="ops")


@pytest.fixture(autouse=True)
def _no_shared_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no test meet the user's own processes, nor those of other tests (kiln.watching)."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def aws(clock: VirtualClock) -> FakeAws:
    return FakeAws(clock)


@pytest.fixture
def reported() -> list[str]:
    return []


@pytest.fixture
def context(aws: FakeAws, clock: VirtualClock, reported: list[str]) -> Context:
    return Context(aws=aws, clock=clock, report=reported.append, random=random.Random(1))  # noqa: S311  # jitter


@pytest.fixture
def identity() -> Identity:
    return IDENTITY


@pytest.fixture
def ledger(context: Context, clock: VirtualClock) -> Ledger:
    return Ledger(context.effects, clock, "s3://state/kiln", IDENTITY)
