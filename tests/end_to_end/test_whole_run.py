"""`kiln run PIPELINE`: launch, provision, deploy, steps, teardown; and what is left of it."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import yaml
from local_world import CHECKOUT, DATE, HANG_SECONDS, interrupt

from demo import evaluate

if TYPE_CHECKING:
    from local_world import World

INTERRUPTED, TERMINATED = 130, 143


def test_a_run_builds_good_models_and_leaves_nothing_running(world: World) -> None:
    finished = world.kiln("run", "model_building", "--env", "local", "--date", DATE)
    assert finished.code == 0, finished.said
    run_id = finished.result["run_id"]

    cluster = world.cluster_of(run_id)
    assert cluster["Status"]["State"] == "TERMINATED"
    quality = evaluate(world.session, world.telemetry, run_id)
    assert len(quality) >= 4
    for figures in quality.values():
        assert figures["precision"] > 0.9, quality
        assert figures["recall"] > 0.9, quality

    stored = world.objects("kiln-local-state")
    (ledger,) = (json.loads(stored[key]) for key in stored if "/ledger/" in key and run_id in key)
    assert ledger["verdict"] == "succeeded"
    assert cluster["Id"] in json.dumps(ledger)

    logs = {key: body for key, body in world.objects("kiln-local-logs").items() if cluster["Id"] in key}
    step_logs = [key for key in logs if "/steps/" in key]
    for name in ("controller.gz", "stderr.gz", "stdout.gz", "syslog.gz"):
        assert any(key.endswith(name) for key in step_logs), step_logs
    assert any("/containers/application_" in key for key in logs)

    assert_no_secret_in(world, finished.said + json.dumps(finished.result))
    status = world.kiln("status", "model_building", "--env", "local", "--run-id", run_id, "-o", "json")
    assert status.code == 0, status.said
    assert status.result["verdict"] == "succeeded"


def assert_no_secret_in(world: World, said: str) -> None:
    """Look for the database password wherever a run writes."""
    decrypted = world_vault()
    secret = decrypted["vault_database_password"]
    assert len(secret) >= 16
    assert secret not in said
    for bucket in ("kiln-local-state", "kiln-local-logs", "kiln-local-data"):
        for key, body in world.objects(bucket).items():
            text = gzip.decompress(body) if key.endswith(".gz") else body
            assert secret.encode() not in text, f"{bucket}/{key}"
    emr = world.session.client("emr")
    for cluster in world.clusters():
        described = [emr.describe_cluster(ClusterId=cluster["Id"]), emr.list_steps(ClusterId=cluster["Id"])]
        assert secret not in json.dumps(described, default=str)
    for folder in (CHECKOUT / ".kiln/runs", CHECKOUT / ".emrbox/log"):
        for file in folder.rglob("*"):
            if file.is_file():
                assert secret.encode() not in file.read_bytes(), file


def world_vault() -> dict[str, str]:
    shown = subprocess.run(
        [
            *(CHECKOUT / ".venv/bin/ansible-vault", "view", "--vault-password-file"),
            *(CHECKOUT / ".kiln/vault/local.password", CHECKOUT / "vault/local.yml"),
        ],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return dict(yaml.safe_load(shown))


def wait_for_line(child: subprocess.Popen[str], words: str) -> None:
    """Read what the command says until a line holds the words."""
    read = []
    assert child.stderr is not None
    for line in child.stderr:
        read.append(line)
        if words in line:
            return
    raise AssertionError("".join(read))


def test_ctrl_c_ends_the_cluster(world: World) -> None:
    child = world.start_kiln("run", "model_building", "--env", "local")
    wait_for_line(child, "j-")
    assert len(world.live_clusters()) == 1
    interrupt(child)
    output, said = child.communicate(timeout=HANG_SECONDS)
    assert child.returncode == INTERRUPTED, said
    result = json.loads(output)
    assert world.cluster_of(result["run_id"])["Status"]["State"] == "TERMINATED"
    assert result["exit_code"] == INTERRUPTED


def children(pid: int) -> dict[int, str]:
    """Return the processes that one has started, and those of theirs: id -> command line."""
    listed = subprocess.run(["ps", "-wweo", "pid=,ppid=,args="], check=True, capture_output=True, text=True)
    rows = [line.split(maxsplit=2) for line in listed.stdout.splitlines()]
    found: dict[int, str] = {}
    parents = {pid}
    while parents:
        new = {int(one): args for one, parent, args in rows if int(parent) in parents}
        found |= new
        parents = set(new)
    return found


def test_sigterm_to_the_process_group_ends_playbook_and_cluster_and_is_recorded(world: World) -> None:
    """As Airflow's BashOperator sends it: to scripts/kiln and to all that it has started."""
    child = world.start_kiln("run", "model_building", "--env", "local")
    wait_for_line(child, "j-")
    started = children(child.pid)
    assert any("ansible-playbook" in line for line in started.values()), started
    os.killpg(child.pid, signal.SIGTERM)
    output, said = child.communicate(timeout=HANG_SECONDS)
    assert child.returncode == TERMINATED, said
    result = json.loads(output)
    assert (result["exit_code"], result["exit_name"]) == (TERMINATED, "terminated")
    cluster = world.cluster_of(result["run_id"])
    assert cluster["Status"]["State"] == "TERMINATED"
    assert [pid for pid in started if Path(f"/proc/{pid}").exists()] == []
    stored = world.objects("kiln-local-state")
    (ledger,) = (
        json.loads(body) for key, body in stored.items() if key.endswith(f"/{result['run_id']}.json")
    )
    assert (ledger["verdict"], ledger["exit_code"], ledger["drivers"]) == ("cancelled", TERMINATED, [])
    assert [(one["cluster_id"], one["end_state"]) for one in ledger["attempts"]] == [
        (cluster["Id"], "TERMINATED")
    ]
