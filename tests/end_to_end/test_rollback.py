"""A private model repo on a real machine: deployed by a tag over SSH, and gone back from on all nodes."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

import database
import git_repos
import pages
import pytest
import yaml
from account import PRIVATE_KEY
from git_repos import git
from local_world import CHECKOUT, HANG_SECONDS

from kiln.errors import PreflightError
from kiln.model_repo import commits, versions
from kiln.model_repo.git_remote import Remote

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local_world import Finished, World

RUN = f"rollback-{uuid4().hex[:8]}"
MODELS = "/opt/kiln/models/model_repo"
# Of a node: everything that a deploy may write to.
PLACES = "/tmp /var/tmp /var/log /run /home ~root/.ansible ~root/.ssh /opt/kiln"  # noqa: S108  # only read
PASSWORD = ("--vault-password-file", ".kiln/vault/local.password")
PLAYBOOK_FAILED, PREFLIGHT = 13, 10
MAIN = versions.wanted("main")


class Team(NamedTuple):
    """The team's repo: on this machine, and on a git server that lets one key read it."""

    repo: Path
    server: str
    host_keys: tuple[str, ...]
    key: str
    first: str  # tagged v1.4
    second: str  # main

    @property
    def remote(self) -> Remote:
        return Remote(url=f"{self.server}:team/repo.git", host_keys=self.host_keys, deploy_key=self.key)


def shell(address: str, user: str, command: str, data: bytes | None = None) -> str:
    """Run a command on a machine of the local AWS."""
    known = CHECKOUT / f".kiln/known_hosts/test-{RUN}"  # addresses come back with other keys
    options = ("-o", f"UserKnownHostsFile={known}", "-o", "StrictHostKeyChecking=accept-new")
    ssh = ["ssh", "-i", str(PRIVATE_KEY), *options, "-o", "BatchMode=yes", f"{user}@{address}", command]
    done = subprocess.run(ssh, check=False, capture_output=True, timeout=HANG_SECONDS, input=data)
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout.decode()


@pytest.fixture(scope="module")
def team(world: World, tmp_path_factory: pytest.TempPathFactory) -> Team:
    """Made on the team's other machine, the one of the database."""
    assert world
    folder = tmp_path_factory.mktemp("team")
    repo = git_repos.make(folder / "repo")
    first = git("-C", repo, "rev-parse", "main")
    git("-C", repo, "tag", "-a", "v1.4", "-m", "release")
    second = git_repos.commit(repo, job="print(2)\n")
    key = folder / "deploy_key"
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "team", "-f", str(key)]
    subprocess.run(command, check=True)
    git("-C", repo, "bundle", "create", "-q", folder / "bundle", "--all")
    address = database.HOST_FILE.read_text().strip()
    public = key.with_suffix(".pub").read_text().strip()
    make = f"""
        rm -rf team && mkdir -p team && cat > team/bundle && git clone -q --mirror team/bundle team/repo.git
        echo 'restrict,command="git-upload-pack team/repo.git" {public}' >> ~/.ssh/authorized_keys"""
    shell(address, "ec2-user", make, (folder / "bundle").read_bytes())
    host = shell(address, "ec2-user", "cat /etc/ssh/ssh_host_ed25519_key.pub").split()
    lines = (f"{address} {host[0]} {host[1]}",)
    return Team(repo, f"ec2-user@{address}", lines, key.read_text(), first, second)


@pytest.fixture(scope="module")
def launched(world: World) -> Iterator[World]:
    """One live cluster of a master and a core node, with nothing on it."""
    done = world.kiln(
        *("run", "model_building", "launch", "--env", "local", "--run-id", RUN),
        *("-e", "emr_cluster_core_count=1"),
    )
    assert done.code == 0, done.said
    yield world
    ended = world.kiln("run", "model_building", "terminate", "--env", "local", "--run-id", RUN)
    assert ended.code == 0, ended.said


@pytest.fixture(autouse=True)
def _nothing_is_left_running() -> None:
    """Here the cluster lives as long as the module; `launched` ends it."""


def nodes(world: World) -> list[str]:
    answer = world.session.client("emr").list_instances(
        ClusterId=world.cluster_of(RUN)["Id"], InstanceStates=["RUNNING"]
    )
    return sorted(instance["PrivateIpAddress"] for instance in answer["Instances"])


def active(world: World) -> set[str]:
    """Return which releases are active on the nodes."""
    return {shell(node, "hadoop", f"basename $(readlink {MODELS}/current)").strip() for node in nodes(world)}


def recorded(world: World) -> tuple[list[str], str]:
    """Return the commits that the ledger has in order, and the cluster's tag."""
    ledgers = world.objects("kiln-local-state")
    [ledger] = [body for key, body in ledgers.items() if "/ledger/" in key and key.endswith(f"{RUN}.json")]
    described = world.session.client("emr").describe_cluster(ClusterId=world.cluster_of(RUN)["Id"])
    tags = {tag["Key"]: tag["Value"] for tag in described["Cluster"]["Tags"]}
    return json.loads(ledger)["deployed_commits"], tags.get("code_commit", "")


def kiln(world: World, action: str, *more: str) -> Finished:
    return world.kiln("run", "model_building", action, "--env", "local", "--run-id", RUN, *more)


@pytest.fixture(scope="module")
def private_deploy(launched: World, team: Team, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The tag's release, by hand from the private remote with a vault of its own; what Ansible has said."""
    encrypted = subprocess.run(
        [CHECKOUT / ".venv/bin/ansible-vault", "encrypt", *PASSWORD, "--output", "-", "-"],
        cwd=CHECKOUT,
        input=yaml.safe_dump({"vault_team_key": team.key, "vault_database_password": "x"}),
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    file = tmp_path_factory.mktemp("vault") / "vault.yml"
    file.write_text(encrypted)
    extra: dict[str, Any] = {
        "node_secrets_vault_file": str(file),
        "model_repo_url": team.remote.url,
        "model_repo_host_keys": list(team.host_keys),
        "model_repo_deploy_key": "vault_team_key",
        "model_repo_version": "v1.4",
    }
    which = ("-e", "pipeline=model_building", "-e", f"run_id={RUN}")
    done = launched.playbook("deploy", "-vvv", *which, "-e", json.dumps(extra), *PASSWORD)
    assert done.returncode == 0, done.stdout + done.stderr
    assert active(launched) == {team.first}
    assert recorded(launched) == ([team.first], team.first)
    return done.stdout + done.stderr


def test_a_deploy_from_a_private_remote_leaves_its_key_nowhere(
    launched: World, team: Team, private_deploy: str
) -> None:
    canary = team.key.splitlines()[2]
    assert canary not in private_deploy
    for node in nodes(launched):
        assert shell(node, "hadoop", f"sudo grep -rlF '{canary}' {PLACES} 2>/dev/null || true") == ""
    private = Path("/dev/shm").glob("kiln-*")  # noqa: S108  # where the key was
    for folder in (CHECKOUT / ".kiln", Path.home() / ".ansible/tmp", Path.home() / ".cache/kiln", *private):
        for found in folder.rglob("*"):
            if found.is_file():
                assert canary.encode() not in found.read_bytes(), found


@pytest.mark.usefixtures("world")
def test_a_commit_is_found_on_a_server_that_gives_refs_only(team: Team) -> None:
    """sshd hands on no GIT_PROTOCOL unless it is told to, so git speaks protocol 0 there."""
    for version in (team.first, team.first[:8], "v1.4"):
        assert commits.resolve(team.remote, versions.wanted("main", version)) == team.first
    assert commits.resolve(team.remote, MAIN) == team.second


@pytest.mark.usefixtures("world")
def test_a_changed_host_key_and_a_foreign_deploy_key_stop_with_one_line(team: Team, tmp_path: Path) -> None:
    other = tmp_path / "other"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(other)], check=True)
    public = " ".join(other.with_suffix(".pub").read_text().split()[:2])
    changed = (f"{team.host_keys[0].split()[0]} {public}",)
    with pytest.raises(PreflightError, match="is not the one in model_repo_host_keys"):
        commits.resolve(Remote(url=team.remote.url, host_keys=changed, deploy_key=team.key), MAIN)
    with pytest.raises(PreflightError, match="the server refuses the SSH key"):
        commits.resolve(team.remote.with_key(other.read_text()), MAIN)


@pytest.fixture(scope="module")
def deployed(launched: World, team: Team, private_deploy: str) -> World:
    """The tag's release, then that of the branch, which is active; each test leaves it so."""
    assert private_deploy
    script = pages.commands("deploy.md", "a version")
    extra = f"-e model_repo_url={team.repo} --run-id {RUN}"
    script = "\n".join(f"{line} {extra}" if "kiln run" in line else line for line in script.splitlines())
    done = pages.run(script, {"KILN_ENV": "local"})
    assert done.returncode == 0, done.stderr
    assert active(launched) == {team.second}
    assert recorded(launched) == ([team.first, team.second], team.second)
    return launched


def test_a_rollback_goes_back_on_all_nodes_once(deployed: World, team: Team) -> None:
    """By the command of the page; then by name, which changes nothing; then there is nothing more."""
    back = pages.run(pages.commands("deploy.md", "rollback"), {"KILN_ENV": "local"})
    assert back.returncode == 0, back.stderr
    assert active(deployed) == {team.first}
    assert recorded(deployed) == ([team.first], team.first)
    again = kiln(deployed, "rollback", "-e", f"release={team.first[:7]}")
    assert again.code == 0, again.said
    assert [phase["changed"] for phase in again.result["phases"]] == [False]
    more = kiln(deployed, "rollback")
    assert more.code == PREFLIGHT, more.said
    assert "there is no release to go back to" in more.said
    forward = kiln(deployed, "rollback", "-e", f"release={team.second}")
    assert forward.code == 0, forward.said
    assert active(deployed) == {team.second}
    assert recorded(deployed) == ([team.first, team.second], team.second)


def test_no_node_is_switched_unless_all_can_be(deployed: World, team: Team) -> None:
    """First one that lacks the release, then one where the link cannot be replaced."""
    *_, node = nodes(deployed)
    shell(node, "hadoop", f"sudo mv {MODELS}/releases/{team.first} /opt/kiln/aside")
    lacking = kiln(deployed, "rollback")
    assert lacking.code == PREFLIGHT, lacking.said
    assert f"release {team.first} is not on {node}: no node was switched" in lacking.said
    assert active(deployed) == {team.second}
    shell(node, "hadoop", f"sudo mv /opt/kiln/aside {MODELS}/releases/{team.first}")
    shell(node, "hadoop", f"cd {MODELS} && sudo rm current && sudo mkdir -p current/in_the_way")
    stuck = kiln(deployed, "rollback")
    shell(node, "hadoop", f"cd {MODELS} && sudo rm -r current && sudo ln -s releases/{team.second} current")
    assert stuck.code == PLAYBOOK_FAILED, stuck.said
    assert f"could not be activated on {node}" in stuck.said
    assert active(deployed) == {team.second}
    assert recorded(deployed)[1] == team.second


def test_a_rollback_of_a_part_of_the_nodes_is_refused(deployed: World) -> None:
    which = ("-e", "pipeline=model_building", "-e", f"run_id={RUN}", "--limit", "emr_core")
    done = deployed.playbook("rollback", *which)
    assert done.returncode != 0
    assert "A rollback is for all nodes of a cluster" in done.stdout
