"""Which release a rollback goes back to, and when there is none."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from hostile import documents, many
from hypothesis import given

from kiln.errors import PreflightError, UsageError, caught
from kiln.model_repo import rollback

A, B, C = "a" * 40, "b" * 40, "c" * 40
ALL = {"10.0.0.1": {A, B, C}, "10.0.0.2": {A, B, C}}


def found(commit: str, content: str | None = None) -> dict[str, Any]:
    """Return a file as ansible.builtin.find reports it."""
    written = commit if content is None else content
    return {
        "path": f"/opt/kiln/models/model_repo/releases/{commit}/.kiln-release",
        "checksum": hashlib.sha256(written.encode()).hexdigest(),
    }


def test_the_release_before_the_active_one_is_chosen() -> None:
    assert rollback.choose([A, B, C], ALL) == B
    assert rollback.choose([A, B], ALL) == A


def test_a_release_is_named_by_the_first_digits_of_its_id() -> None:
    for release in (C, C[:7]):
        assert rollback.choose([A, B], ALL, release) == C


@pytest.mark.parametrize("active", [[], [C]])
def test_without_an_earlier_release_there_is_one_line_and_a_list(active: list[str]) -> None:
    with pytest.raises(PreflightError, match="there is no release to go back to") as error:
        rollback.choose(active, ALL)
    assert "-e release=" in error.value.fix
    assert f"on all nodes: {A}" in error.value.details


def test_a_release_that_a_node_does_not_have_is_refused_with_the_nodes_name() -> None:
    nodes = ALL | {"10.0.0.3": {A, C}}
    for release in ("", B):
        with pytest.raises(PreflightError, match=rf"release {B} is not on 10\.0\.0\.3: no node was") as error:
            rollback.choose([A, B, C], nodes, release)
        assert error.value.fix == f"deploy it: model_repo_version={B}"


def test_many_nodes_are_not_all_listed() -> None:
    nodes: dict[str, set[str]] = {f"10.0.0.{number}": set() for number in range(10, 30)}
    with pytest.raises(PreflightError, match=r"10\.0\.0\.14 and 15 more"):
        rollback.choose([A, B], nodes)


@pytest.mark.parametrize("release", ["abc", "main", "A" * 40, "../x", "a" * 65, "-x"])
def test_what_is_no_commit_is_refused(release: str) -> None:
    with pytest.raises(UsageError, match="expected a commit"):
        rollback.choose([A, B], ALL, release)


def test_a_name_of_no_release_or_of_two_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(PreflightError, match="no node has release ddddddd") as error:
        rollback.choose([A, B], ALL, "d" * 7)
    assert f"on all nodes: {A}" in error.value.details
    twins = {"10.0.0.1": {A, "a" * 39 + "b"}}
    with pytest.raises(PreflightError, match="2 releases begin with aaaaaaa") as error:
        rollback.choose([A, B], twins, "a" * 7)
    assert set(error.value.details) == twins["10.0.0.1"]


def test_only_what_was_unpacked_whole_counts() -> None:
    """Its last file holds the commit; one that was cut off is empty."""
    listed = [found(A), found(B, ""), found(C, A), found(".incoming-x", ".incoming-x")]
    assert rollback.whole(listed) == {A}


@many
@given(said=documents())
def test_a_node_may_say_anything(said: Any) -> None:
    for listed in (said, [said], [found(A) | {"path": said}], [found(A) | {"checksum": said}]):
        assert rollback.whole(listed) <= {A}
    error = caught(lambda: rollback.choose([A, B], {"n": rollback.whole(said)}))
    assert error is None or error.message.isprintable()
