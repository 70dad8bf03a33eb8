"""A pipeline without model repo, Python environment, secrets and steps runs for real, from launch to end."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from local_world import World

ABSENT = {
    "model_repo_url": "",
    "emr_node_python_requirements": "",
    "emr_node_os_packages": [],
    "emr_cluster_configurations": [],
    "emr_cluster_core_count": 1,
    "emr_cluster_ebs_root_volume_size_gb": 50,
    "node_secrets_values": {},
    "steps": [],
}


def test_what_a_pipeline_leaves_out_is_not_done(world: World) -> None:
    finished = world.kiln("run", "model_building", "--env", "local", "-e", json.dumps(ABSENT))
    assert finished.code == 0, finished.said
    assert finished.result["verdict"] == "no_step"
    assert finished.result["cluster_state"] == "TERMINATED"
    launched = world.session.client("emr").describe_cluster(ClusterId=finished.result["cluster_id"])[
        "Cluster"
    ]
    assert launched["EbsRootVolumeSize"] == 50
    phases = [(phase["name"], phase["changed"]) for phase in finished.result["phases"]]
    assert phases == [("launch", True), ("terminate", True)]
