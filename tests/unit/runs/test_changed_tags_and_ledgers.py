"""Tags, ledger or both are changed at any moment: the run's cluster is ended, or exit 20 says so."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from fakes import ENDED, FakeCluster, shape
from hostile import documents, every_call, many, texts
from hypothesis import given, settings
from hypothesis import strategies as st
from run_world import World, calls_of_a_whole_run

from kiln.aws.effects import StoredObject
from kiln.emr.request import launch_request
from kiln.exit_codes import ExitCode
from kiln.identity import CLUSTER_ID, Identity, name_of, of_name
from kiln.ledger.schema import LedgerUnreadableError, Run, decode, encode

if TYPE_CHECKING:
    from collections.abc import Callable

FOREIGN = Identity(environment="prod", pipeline="model_building", run_id="other", owner="them")


def set_tags(world: World, **tags: str | None) -> None:
    for cluster in world.aws.clusters.values():
        if cluster.request["Name"].endswith("-r1"):
            kept = {tag["Key"]: tag["Value"] for tag in cluster.request["Tags"]} | tags
            cluster.request = dict(cluster.request) | {
                "Tags": [{"Key": key, "Value": value} for key, value in kept.items() if value is not None]
            }


def remove_tags(world: World) -> None:
    set_tags(world, **dict.fromkeys(("managed_by", "environment", "pipeline", "run_id", "cluster_name")))


def write_ledger(world: World, body: bytes) -> None:
    world.aws.objects[world.ledger.uri] = body


def change_ledger(world: World, **changes: Any) -> None:
    kept = json.loads(world.aws.objects.get(world.ledger.uri, b"{}"))
    write_ledger(world, json.dumps(kept | changes).encode())


TAGS: dict[str, Callable[[World], None]] = {
    "kept": lambda _: None,
    "removed": remove_tags,
    "no run id": lambda world: set_tags(world, run_id=None),
    "another run": lambda world: set_tags(world, run_id="r2"),
    "another pipeline": lambda world: set_tags(world, pipeline="other"),
    "another environment": lambda world: set_tags(world, environment="prod"),
    "a template": lambda world: set_tags(world, run_id="{{ lookup('pipe', 'id') }}"),
    "somebody else's": lambda world: set_tags(world, managed_by="terraform"),
}
LEDGERS: dict[str, Callable[[World], None]] = {
    "kept": lambda _: None,
    "removed": lambda world: world.aws.objects.clear(),
    "no JSON": lambda world: write_ledger(world, b"{broken"),
    "no UTF-8": lambda world: write_ledger(world, b'{"run_id": "\xff\xfe"}'),
    "deeply nested": lambda world: write_ledger(world, b'{"events": ' + b"[" * 100_000),
    "deep data": lambda world: change_ledger(
        world, events=[{"at": "x", "kind": "x", "data": {"x": json.loads("[" * 500 + "]" * 500)}}]
    ),
    "huge": lambda world: write_ledger(world, b" " * (9 * 1024 * 1024)),
    "another run's": lambda world: change_ledger(world, run_id="r2"),
    "another version": lambda world: change_ledger(world, version=99),
    "without attempts": lambda world: change_ledger(world, attempts=[]),
    "ended already": lambda world: change_ledger(
        world,
        attempts=[{"intent_at": "x", "cluster_id": "j-0001", "ended_at": "x", "end_state": "x"}],
    ),
    "bad ids": lambda world: change_ledger(world, attempts=[{"intent_at": "x", "cluster_id": "../../x"}]),
}


def bodies() -> st.SearchStrategy[bytes]:
    """Return what may stand in S3 in place of a ledger: JSON of any shape, ledgers with odd values, bytes."""
    run = Run(environment="local", pipeline="model_building", run_id="r1", created_at="x")
    whole = msgspec.to_builtins(run)
    odd = st.dictionaries(st.sampled_from(list(whole)), documents(), max_size=3)
    return st.one_of(
        documents().map(lambda one: json.dumps(one).encode()),
        odd.map(lambda changes: json.dumps(whole | changes).encode()),
        st.binary(max_size=200),
        st.integers(1000, 5000).map(lambda depth: b'{"events":' + b"[" * depth),
    )


def change_at(world: World, call: int, *how: Callable[[World], None]) -> None:
    def before(at: int) -> None:
        if at == call:
            for change in how:
                change(world)

    world.aws.before_call = before


def assert_ended_or_said(world: World, exit_code: int) -> None:
    live = [one.id for one in world.aws.clusters.values() if world.aws.state(one) not in ENDED]
    assert live == [] or exit_code == ExitCode.NOT_TERMINATED


@pytest.mark.parametrize("ledger", LEDGERS)
@pytest.mark.parametrize("tags", TAGS)
def test_a_whole_run_ends_its_cluster_whenever_they_change(tags: str, ledger: str) -> None:
    # Each pair at every eighth call, and all the pairs together at every call.
    first = (list(TAGS).index(tags) + list(LEDGERS).index(ledger)) % 8
    for call in every_call(calls_of_a_whole_run(), first, 8):
        world = World()
        change_at(world, call, TAGS[tags], LEDGERS[ledger])
        result = world.run()
        assert_ended_or_said(world, result.exit_code)
        assert len(world.aws.clusters) <= 1
        assert result.exit_code != ExitCode.INTERNAL, result.message
        assert (result.verdict == "succeeded") <= (result.exit_code == 0)


@pytest.mark.parametrize("ledger", LEDGERS)
@pytest.mark.parametrize("tags", TAGS)
def test_the_action_that_ends_a_run_ends_it_or_says_so(tags: str, ledger: str) -> None:
    world = World()
    world.run("launch")
    TAGS[tags](world)
    LEDGERS[ledger](world)
    ended = world.run("terminate")
    assert ended.exit_code in {ExitCode.OK, ExitCode.NOT_TERMINATED}
    assert_ended_or_said(world, ended.exit_code)
    if "kept" in {tags, ledger} or tags in {"no run id", "another run", "a template"}:
        assert ended.exit_code == ExitCode.OK, ended.message


def test_a_cluster_that_only_has_the_name_is_left_alone_and_said() -> None:
    world = World()
    world.run("launch")
    remove_tags(world)
    world.aws.objects.clear()
    ended = world.run("terminate")
    assert ended.exit_code == ExitCode.NOT_TERMINATED
    assert "j-0001" in ended.message
    assert world.aws.live() == ["j-0001"]


def test_no_second_cluster_is_launched_beside_one_that_only_has_the_name() -> None:
    world = World()
    world.run("launch")
    remove_tags(world)
    world.aws.objects.clear()
    again = world.run("launch")
    assert again.exit_code == ExitCode.CLUSTER_NOT_FOUND
    assert "j-0001" in again.message
    assert len(world.aws.clusters) == 1


def test_a_ledger_with_many_clusters_is_none() -> None:
    world = World()
    world.run("launch")
    change_ledger(world, attempts=[{"intent_at": "x", "cluster_id": f"j-{n}"} for n in range(5000)])
    before = len(world.aws.calls)
    assert world.run("terminate").exit_code == ExitCode.OK
    assert len(world.aws.calls) < before + 100


def test_a_ledger_that_names_a_foreign_cluster_never_ends_it() -> None:
    world = World()
    world.run("launch")
    request = launch_request(FOREIGN, shape(), world.clock.now())
    world.aws.clusters["j-0002"] = FakeCluster("j-0002", request, 0)
    change_ledger(world, attempts=[{"intent_at": "x", "cluster_id": "j-0002"}])
    ended = world.run("terminate")
    assert ended.exit_code == ExitCode.NOT_TERMINATED
    assert world.aws.live() == ["j-0002"]


@settings(max_examples=50)
@given(body=bodies())
def test_no_ledger_stops_the_end_of_a_run(body: bytes) -> None:
    world = World()
    world.run("launch")
    write_ledger(world, body)
    ended = world.run("terminate")
    assert ended.exit_code == ExitCode.OK, ended.message
    assert world.aws.live() == []


@settings(max_examples=100)
@given(name=st.sampled_from(Run.__struct_fields__), value=documents())
def test_no_value_in_a_ledger_is_a_fault(name: str, value: Any) -> None:
    world = World()
    world.run("launch")
    change_ledger(world, **{name: value})
    step = world.run("sd")
    ended = world.run("terminate")
    assert ExitCode.INTERNAL not in {step.exit_code, ended.exit_code}, (step.message, ended.message)
    assert_ended_or_said(world, ended.exit_code)


@settings(max_examples=100)
@given(key=st.sampled_from(["run_id", "pipeline", "environment", "managed_by", "owner"]), value=texts())
def test_no_tag_is_a_fault_or_saves_a_cluster(key: str, value: str) -> None:
    world = World()
    world.run("launch")
    set_tags(world, **{key: value})
    assert world.run("sd").exit_code != ExitCode.INTERNAL
    ended = world.run("terminate")
    assert (ended.exit_code, world.aws.live()) == (0, []), ended.message


@many
@given(body=bodies())
def test_every_ledger_is_read_or_refused_as_unreadable(body: bytes) -> None:
    stored = StoredObject(body=body, etag="x", size=len(body))
    try:
        run = decode(stored, "s3://state/x.json")
    except LedgerUnreadableError:
        return
    assert all(CLUSTER_ID.fullmatch(cluster_id) for cluster_id in run.cluster_ids)
    again = encode(run)
    assert decode(StoredObject(body=again, etag="x", size=len(again)), "s3://state/x.json") == run


@many
@given(name=texts("kiln-local-p-r1", "kiln-", "-"))
def test_no_name_becomes_a_run_that_it_should_not(name: str) -> None:
    found = of_name(name)
    if found is None:
        return
    assert name_of(found) == name
    for one in (found.environment, found.pipeline, found.run_id):
        assert one.isascii()
        assert not set(one) & set(" /{}%$;|&'\"\\\n\r\t<>*?[]()`~#!")
        assert one[0] not in ".-"
