"""OS packages on a node: one transaction, only for what is missing, with dnf's own words when it fails."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from node_world import NodeWorld

# `rpm -q --whatprovides -- NAME…` answers by the files of a folder, which `dnf install` fills.
RPM = """#!/bin/sh
shift 3
absent=0
for name; do
    if [ -e {installed}/"$name" ]; then echo "$name-1-1.noarch"
    else absent=$((absent + 1)); echo "no package provides $name"; fi
done
exit $absent
"""
DNF = """#!/bin/sh
echo "$@" >> {root}/calls
{before}
while [ "$1" != -- ]; do shift; done
shift
for name; do touch {installed}/"$name"; done
"""


@pytest.fixture(autouse=True)
def _tools(node: NodeWorld) -> None:
    tools(node)


def tools(node: NodeWorld, before: str = "") -> None:
    installed = node.root / "installed"
    installed.mkdir(exist_ok=True)
    node.program("rpm", RPM.format(installed=installed))
    node.program("dnf", DNF.format(installed=installed, root=node.root, before=before))


def item(*names: str, lock: float = 30) -> dict[str, Any]:
    return {"kind": "packages", "names": names, "lock_timeout_seconds": lock}


def calls(node: NodeWorld) -> list[str]:
    file = node.root / "calls"
    return file.read_text().splitlines() if file.exists() else []


def test_what_is_missing_is_installed_in_one_transaction(node: NodeWorld) -> None:
    (node.root / "installed/jq").touch()
    changed = node.one(item("jq", "pigz", "zstd"))
    assert (changed.state, changed.diff) == ("changed", "+ pigz\n+ zstd\n")
    assert calls(node) == ["-y --setopt=exit_on_lock=True install -- pigz zstd"]
    assert node.one(item("jq", "pigz", "zstd")).state == "ok"
    assert len(calls(node)) == 1


def test_dnf_is_asked_for_all_when_rpm_names_none(node: NodeWorld) -> None:
    node.program("rpm", "#!/bin/sh\necho 'error: cannot open the database' >&2\nexit 1\n")
    assert node.one(item("jq", "zstd")).diff == "+ jq\n+ zstd\n"
    assert calls(node) == ["-y --setopt=exit_on_lock=True install -- jq zstd"]


def test_check_mode_installs_nothing(node: NodeWorld) -> None:
    assert node.one(item("jq"), check=True).diff == "+ jq\n"
    assert calls(node) == []


def test_a_failure_is_shown_in_the_words_of_dnf(node: NodeWorld) -> None:
    tools(node, before="echo 'Error: GPG check FAILED' >&2; exit 1")
    refused = node.one(item("jq"))
    assert (refused.state, refused.message) == ("failed", "dnf: Error: GPG check FAILED")


def test_a_database_in_use_is_waited_for(node: NodeWorld) -> None:
    once = f"if [ ! -e {node.root}/seen ]; then touch {node.root}/seen; exit 200; fi"
    tools(node, before=once)
    assert node.one(item("jq")).state == "changed"
    assert len(calls(node)) == 2


def test_a_database_that_stays_in_use_is_a_failure(node: NodeWorld) -> None:
    tools(node, before="exit 200")
    assert "the package database was in use for 0 s" in node.one(item("jq", lock=0)).message


def test_no_option_turns_signature_checks_off(node: NodeWorld) -> None:
    node.one(item("jq"))
    assert not any("gpg" in call for call in calls(node))
