"""Real `kiln run` processes are killed (SIGKILL) at random moments; then the run is finished, or ended.

`make test` kills 2 drivers on hollow clusters and one on a real one, `make soak` 25 and 5: Ansible alone
takes 10 s of a core in each run. Provision and deploy are empty plays in the copy of the checkout that these
runs use: a hollow cluster has no nodes.
"""

from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from ansible_copy import AnsibleCopy
from hostile import often
from local_world import CHECKOUT, HANG_SECONDS, clean_environment, finished

if TYPE_CHECKING:
    from pathlib import Path

    from local_world import Finished, World

HOLLOW, REAL = often(2, 25), often(1, 5)
STEPS = ("sd", "cdd")
# A whole run writes some 20 lines; the last one at which a driver is killed is that of the cluster's end.
LINES = range(1, 17)
LONGEST_DELAY_SECONDS = 4.0
AT_ONCE = 2
SETTINGS: dict[str, Any] = {
    "model_repo_url": "",
    "emr_node_python_requirements": "",
    # So that there is a phase provision, whose playbook does nothing here.
    "emr_node_os_packages": ["jq"],
    "emr_cluster_configurations": [],
    "emr_cluster_core_count": 1,
    "node_secrets_values": {},
    "kiln_parallel_runs": 0,
    "steps": [{"name": name, "jar": "command-runner.jar", "args": ["sleep", "1"]} for name in STEPS],
}


NOTHING_TO_DO = "- name: Nothing to do\n  hosts: localhost\n"


class Copy:
    """Kiln in a copy of this checkout whose playbooks do nothing on nodes, in the same account."""

    def __init__(self, copy: AnsibleCopy, tags: dict[str, str]) -> None:
        self._root = copy.root
        for name in ("provision", "deploy"):
            copy.write(f"playbooks/{name}.yml", NOTHING_TO_DO)
        shutil.copytree(CHECKOUT / "vault", copy.root / "vault")
        local = CHECKOUT / ".kiln/local"
        places = {
            "aws_config_file": str(local / "aws/config"),
            "emr_cluster_private_key_file": str(local / "id_ed25519"),
        }
        self._settings = json.dumps(SETTINGS | places | {"emr_cluster_tags": tags})

    def start(self, run_id: str, *actions: str) -> subprocess.Popen[str]:
        """Start what scripts/kiln starts there."""
        words = ("run", "model_building", *actions, "--env", "local", "--run-id", run_id)
        environment = {
            "ANSIBLE_CONFIG": str(self._root / "ansible.cfg"),
            "KILN_CHECKOUT": str(self._root),
            "KILN_VAULT_PASSWORD_FILE": str(CHECKOUT / ".kiln/vault/local.password"),
            "PYTHONPATH": str(CHECKOUT / "src"),
        }
        return subprocess.Popen(
            [sys.executable, "-Ps", "-m", "kiln", *words, "-e", self._settings],
            env=clean_environment() | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def finish(self, run_id: str) -> Finished:
        return finished(self.start(run_id))

    def end(self, run_id: str) -> Finished:
        return finished(self.start(run_id, "terminate"))


def kill_at_a_random_moment(child: subprocess.Popen[str], chance: random.Random) -> str:
    """Kill a driver some time after it has written a certain line; return what it has written."""
    last, delay = chance.choice(LINES), chance.uniform(0, LONGEST_DELAY_SECONDS)
    said = []
    assert child.stderr is not None
    for line in child.stderr:
        said.append(line)
        if len(said) == last:
            break
    with suppress(subprocess.TimeoutExpired):
        child.wait(delay)
    child.send_signal(signal.SIGKILL)
    said.append(child.communicate(timeout=HANG_SECONDS)[1])
    # A run that is quick may have ended before: then the same command again has nothing to do.
    assert child.returncode in {-signal.SIGKILL, 0}, "".join(said)
    return f"killed {delay:.1f} s after line {last}:\n{''.join(said)}"


def check_clusters(world: World, run_id: str) -> None:
    """Fail unless the run's clusters came one after the other, each with each step once."""
    emr = world.session.client("emr")
    clusters = [one for one in world.clusters() if one["Name"].endswith(f"-{run_id}")]
    clusters.sort(key=lambda one: one["Status"]["Timeline"]["CreationDateTime"])
    ended = None
    for cluster in clusters:
        timeline = cluster["Status"]["Timeline"]
        assert ended is None or timeline["CreationDateTime"] >= ended, clusters
        ended = timeline["EndDateTime"]
        names = [step["Name"] for step in emr.list_steps(ClusterId=cluster["Id"])["Steps"]]
        assert len(names) == len(set(names)), names


def kill_one(world: World, copy: Copy, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311  # no secret
    go_on = chance.choice((copy.finish, copy.end))
    run_id = f"killed-{seed}-{uuid4().hex[:8]}"
    said = kill_at_a_random_moment(copy.start(run_id), chance)
    done = go_on(run_id)
    story = f"seed {seed}, {said}\nthen {go_on.__name__}: exit {done.code}\n{done.said}"
    assert done.code == 0, story
    assert go_on == copy.end or done.result["verdict"] == "succeeded", story
    check_clusters(world, run_id)


@pytest.mark.parametrize(
    ("number", "tags"), [(HOLLOW, {"emrbox:hollow": "true"}), (REAL, {})], ids=["hollow", "real"]
)
def test_runs_of_killed_drivers_are_finished_or_ended(
    world: World, tmp_path: Path, number: int, tags: dict[str, str]
) -> None:
    copy = Copy(AnsibleCopy(tmp_path), tags)
    with ThreadPoolExecutor(AT_ONCE if tags else 1) as pool:
        done = [pool.submit(kill_one, world, copy, seed) for seed in range(number)]
    failed = [str(one.exception()) for one in done if one.exception()]
    assert not failed, "\n\n".join(failed)
