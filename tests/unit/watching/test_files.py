"""The files that processes share are read as something from outside."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from fakes import FakeAws, VirtualClock
from hostile import documents, many, texts
from hypothesis import given
from hypothesis import strategies as st

from kiln.aws.context import Context
from kiln.aws.watch import Watched
from kiln.errors import PreflightError
from kiln.watching import places, registry, snapshot
from kiln.watching.host import HostWatch
from kiln.watching.rounds import Plan
from kiln.watching.snapshot import News, Snapshot

if TYPE_CHECKING:
    from pathlib import Path

    from watch_host import Host

bodies = st.one_of(
    documents().map(lambda one: json.dumps(one).encode()),
    texts().map(lambda one: one.encode(errors="replace")),
    st.binary(max_size=50),
)
FIELDS = ("waits", "failures", "next_round_at", "clusters", "queue_at")
WHOLE = {"version": 1, "waits": 5, "polled": True, "clusters": {"j-1": {"state": "RUNNING"}}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("host")


def context() -> Context:
    clock = VirtualClock()
    return Context(aws=FakeAws(clock), clock=clock)


@many
@given(body=bodies)
def test_no_content_of_a_snapshot_is_more_than_a_snapshot(folder: Path, body: bytes) -> None:
    file = folder / "snapshot.json"
    file.write_bytes(body)
    assert isinstance(snapshot.read(file), Snapshot | None)


@many
@given(name=st.sampled_from(FIELDS), value=documents())
def test_no_field_of_a_snapshot_stops_a_wait(folder: Path, name: str, value: Any) -> None:
    (folder / "snapshot.json").write_text(json.dumps(WHOLE | {name: value}))
    (folder / "waits").mkdir(exist_ok=True)
    watch = HostWatch(folder, Plan(environment="local", interval_seconds=15))
    given_context = context()
    with watch.wait(given_context, Watched(cluster_id="j-1", step_ids=("s-1",))) as wait:
        wait.pause(given_context, 0.3, 100, changed=False)
    assert given_context.clock.monotonic() <= 1


@many
@given(body=bodies)
def test_no_registration_stops_the_poller(folder: Path, body: bytes) -> None:
    file = folder / "1-a.json"
    file.write_bytes(body)
    assert registry.registered(folder) == []
    assert not file.exists()


def test_a_snapshot_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    news = {"j-1": News(state="RUNNING", steps={"s-1": "COMPLETED"}, events=3)}
    written = Snapshot(waits=7, polled=True, clusters=news)
    assert snapshot.write(tmp_path / "snapshot.json", written)
    assert snapshot.read(tmp_path / "snapshot.json") == written
    assert [file.name for file in tmp_path.iterdir()] == ["snapshot.json"]


def test_a_link_is_no_snapshot(tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(msgspec.json.encode(Snapshot()))
    (tmp_path / "snapshot.json").symlink_to(tmp_path / "other")
    assert snapshot.read(tmp_path / "snapshot.json") is None


def test_a_pipe_is_no_snapshot_and_blocks_nobody(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "snapshot.json")
    assert snapshot.read(tmp_path / "snapshot.json") is None


def test_the_files_of_a_host_are_its_users_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    made = places.shared(context(), "digest", Plan(environment="local", interval_seconds=15))
    assert made.watch is not None
    with made.watch.wait(made, Watched(cluster_id="j-1")) as wait:
        wait.pause(made, 3, 3, changed=False)
        files = [one for one in (tmp_path / "kiln/watching").rglob("*") if one.is_file()]
        assert files
        assert not [one for one in files if one.stat().st_mode & 0o077]
    assert not (tmp_path / "kiln/watching").stat().st_mode & 0o077


def test_each_process_polls_for_itself_where_they_cannot_meet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "kiln").mkdir()
    (tmp_path / "kiln/watching").symlink_to(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    made = places.shared(context(), "digest", Plan(environment="local", interval_seconds=15))
    assert made.watch is None
    assert made.tokens is None


def test_a_user_without_a_home_polls_for_himself(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home() -> str:
        raise PreflightError("HOME is not set")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr("kiln.paths.home", no_home)
    assert places.shared(context(), "digest", Plan(environment="local", interval_seconds=15)).watch is None


@pytest.mark.parametrize(
    "changes", [{"region": "eu-west-1"}, {"profile": "other"}, {"config_file": "/other/config"}]
)
def test_another_account_has_another_folder(changes: dict[str, str]) -> None:
    given_account = {"region": "us-east-1", "profile": "ops", "config_file": "/etc/aws"}
    assert places.account_digest(**given_account) != places.account_digest(**given_account | changes)


def test_the_keys_of_the_shell_choose_the_folder_where_no_config_file_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given_account = {"region": "us-east-1", "profile": "", "config_file": ""}
    before = places.account_digest(**given_account)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAOTHER")
    assert places.account_digest(**given_account) != before


def test_a_wait_whose_steps_change_is_registered_with_the_new_ones(host: Host) -> None:
    (waiter,) = host.waits(1, steps=3)
    left = Watched(cluster_id=waiter.watched.cluster_id, step_ids=waiter.watched.step_ids[2:])
    waiter.wait.about(left)
    (stored,) = registry.registered(host.folder / "waits")
    assert (stored.cluster_id, stored.step_ids) == (left.cluster_id, left.step_ids)
