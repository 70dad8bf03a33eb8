"""`kiln verify`: what each node of a run has, as a table and as JSON, with an exit code for machines."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from run_world import World

from kiln import cli, paths
from kiln.aws import effects
from kiln.commands import chosen, shared, verify
from kiln.commands.chosen import Chosen
from kiln.commands.shared import Known
from kiln.errors import PlaybookError
from kiln.exit_codes import ExitCode
from kiln.ledger import deployed
from kiln.ledger.deployed import Deployed
from kiln.playbooks.events import NodeSeen

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from kiln.phases import Phase
    from kiln.playbooks.supervision import Supervision

CLUSTER, COMMIT = "j-0001", "a" * 40
ITEMS = {"packages": "0" * 16, "release": COMMIT, "secrets": "1" * 16}
FINE = dict.fromkeys(ITEMS, "ok")
COMMAND = ["verify", "model_building", "--env", "local"]


def both(items: dict[str, str]) -> dict[str, NodeSeen]:
    return {one: NodeSeen(state="ok", items=items) for one in ("10.0.0.1", "10.0.0.2")}


class Verified:
    """A cluster with two nodes, and what they answer."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
        self.world = World()
        self.world.run("launch")
        deployed.record(
            self.world.ledger, Deployed(CLUSTER, commit=COMMIT, items=ITEMS, nodes={"i-1": ITEMS})
        )
        self.world.aws.nodes[CLUSTER] = [self.node(1), self.node(2)]
        self.seen: Mapping[str, NodeSeen] = {
            one: NodeSeen(state="ok", items=FINE) for one in ("10.0.0.1", "10.0.0.2")
        }
        self.error: PlaybookError | None = None
        self.arguments: list[str] = []
        self.password = root / "password"
        self.password.touch()
        access: Any = SimpleNamespace()
        monkeypatch.setattr(chosen, "run", lambda _: Chosen(self.world.context, access, self.known()))
        monkeypatch.setattr(shared, "environment_of", lambda _: {})
        monkeypatch.setattr(paths, "vault_password_file", lambda *_: self.password)
        monkeypatch.setattr(verify, "AnsibleRunner", lambda **_: self)

    @staticmethod
    def node(number: int) -> effects.Instance:
        return effects.Instance(
            id=f"ci-{number}",
            ec2_instance_id=f"i-{number}",
            private_ip_address=f"10.0.0.{number}",
            group="CORE",
            state="RUNNING",
        )

    def known(self) -> Known:
        return Known(identity=self.world.identity, run=self.world.remembered(), found=(), ledger_uri="")

    def run(self, phase: Phase, arguments: list[str], supervision: Supervision) -> bool:
        assert phase.name == "nodes"
        self.arguments = arguments
        if self.seen:
            supervision.on_nodes(self.seen)
        if self.error:
            raise self.error
        return False


@pytest.fixture
def verified(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Verified:
    return Verified(monkeypatch, tmp_path)


def test_nodes_that_are_alike_are_a_table_and_exit_0(
    verified: Verified, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(COMMAND) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["node", "instance", "group", "packages", "release", "secrets"]
    assert lines[1].split() == ["expected", "0" * 16, COMMIT[:16], "1" * 16]
    assert [line.split() for line in lines[2:]] == [
        ["10.0.0.1", "i-1", "core", "ok", "ok", "ok"],
        ["10.0.0.2", "i-2", "core", "ok", "ok", "ok"],
    ]
    assert "--check" in verified.arguments
    tags = verified.arguments[verified.arguments.index("--tags") + 1]
    assert tags == "packages,model_repo,node_secrets"


def test_a_node_that_differs_is_exit_13_and_the_command_that_corrects_it(
    verified: Verified, capsys: pytest.CaptureFixture[str]
) -> None:
    differs = NodeSeen(state="changed", items=FINE | {"release": "changed"})
    verified.seen = {"10.0.0.1": NodeSeen(state="ok", items=FINE), "10.0.0.2": differs}
    assert cli.main(COMMAND) == ExitCode.PROVISION
    shown = capsys.readouterr()
    assert shown.out.splitlines()[3].split() == ["10.0.0.2", "i-2", "core", "ok", "differs", "ok"]
    assert f"1 of 2 nodes of cluster {CLUSTER} differ" in shown.err
    assert "run model_building provision,deploy --env local --run-id r1" in shown.err


def test_a_dead_node_a_failed_item_and_a_node_that_was_not_asked_are_no_success(
    verified: Verified, capsys: pytest.CaptureFixture[str]
) -> None:
    verified.world.aws.nodes[CLUSTER].append(verified.node(3))
    verified.seen = {
        "10.0.0.1": NodeSeen(state="unreachable", message="ssh: no route"),
        "10.0.0.2": NodeSeen(
            state="failed", message="release: denied", items={"packages": "ok", "release": "failed"}
        ),
    }
    verified.error = PlaybookError("nodes: 10.0.0.1: ssh: no route")
    assert cli.main([*COMMAND, "-o", "json"]) == ExitCode.PROVISION
    document = json.loads(capsys.readouterr().out)
    assert document["exit_code"] == ExitCode.PROVISION
    assert [(one["differs"], one["items"], one["message"]) for one in document["nodes"]] == [
        (True, dict.fromkeys(ITEMS, "unreachable"), "ssh: no route"),
        (True, {"packages": "ok", "release": "failed", "secrets": "not reached"}, "release: denied"),
        (True, {}, "it was not asked: it joined just now"),
    ]


def test_without_the_password_of_the_vault_secrets_are_left_out_and_it_is_said(
    verified: Verified, capsys: pytest.CaptureFixture[str]
) -> None:
    verified.password.unlink()
    verified.seen = both({"packages": "ok", "release": "ok"})
    assert cli.main(COMMAND) == 0
    shown = capsys.readouterr()
    assert "secrets" not in shown.out
    assert "secrets are not compared" in shown.err
    assert "node_secrets" not in verified.arguments[verified.arguments.index("--tags") + 1]


def test_a_playbook_that_asks_no_node_is_its_own_failure(
    verified: Verified, capsys: pytest.CaptureFixture[str]
) -> None:
    verified.seen, verified.error = {}, PlaybookError("nodes: the git remote does not answer")
    assert cli.main(COMMAND) == ExitCode.PROVISION
    assert "the git remote does not answer" in capsys.readouterr().err


def test_a_run_that_has_put_nothing_on_nodes_says_so(
    verified: Verified, capsys: pytest.CaptureFixture[str]
) -> None:
    deployed.record(verified.world.ledger, Deployed("j-0002"))
    assert cli.main(COMMAND) == ExitCode.CLUSTER_NOT_FOUND
    assert "has put nothing on nodes" in capsys.readouterr().err


def test_a_cluster_without_running_nodes_cannot_be_compared(
    verified: Verified, capsys: pytest.CaptureFixture[str]
) -> None:
    verified.world.aws.nodes[CLUSTER] = []
    assert cli.main(COMMAND) == ExitCode.CLUSTER_NOT_FOUND
    assert f"cluster {CLUSTER} has no running node" in capsys.readouterr().err


def test_what_was_given_to_provision_is_given_to_the_playbook(verified: Verified) -> None:
    assert cli.main([*COMMAND, "-e", "emr_node_os_packages=[]"]) == 0
    place = verified.arguments.index("emr_node_os_packages=[]")
    assert verified.arguments[place - 1] == "-e"
