"""A checkout of the tests' own whose pipelines run on hollow clusters: each has a DAG, and no nodes.

Launch, steps and end are Kiln's own, through playbooks and API. The pipelines name nothing that nodes need.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml
from checkout_copy import CHECKOUT, copy_checkout

from kiln.settings import inventories

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_HOLLOW: dict[str, Any] = {
    "emr_cluster_tags": {"emrbox:hollow": "true"},
    # The tests move the clock of hollow clusters by hours.
    "emr_cluster_idle_timeout_seconds": 604_800,
    "emr_cluster_max_lifetime_seconds": 604_800,
    "kiln_attempt_delay_seconds": 1,
}
_SHAPE: dict[str, Any] = {
    "emr_cluster_release_label": "emr-spark-8.0.0",
    "emr_cluster_master_instance_type": "m5.xlarge",
    "emr_cluster_core_instance_type": "m5.xlarge",
    "emr_cluster_core_count": 2,
    **_HOLLOW,
}
_DAG: dict[str, Any] = {
    "environment": "local",
    "pool": "kiln",
    "retry_delay_seconds": 1,
    "poll_interval_seconds": 2,
    "wait_for_previous": "no",
}


def step(name: str, *script: str) -> dict[str, Any]:
    """Return a step that does as its script says: --seconds, --exit-code, --message."""
    return {
        "name": name,
        "jar": "command-runner.jar",
        "args": ["emrbox-script", *script],
        "action_on_failure": "CONTINUE",
    }


@dataclass(frozen=True)
class HollowPipeline:
    """One pipeline: its steps, what its DAG and its settings have that others have not."""

    steps: tuple[dict[str, Any], ...]
    dag: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)

    def text(self, more: Mapping[str, str]) -> str:
        """Return the text of group_vars/<pipeline>.yml, with more settings."""
        whole = {**_SHAPE, **self.settings, **more, "steps": list(self.steps), "dag": {**_DAG, **self.dag}}
        return json.dumps(whole, indent=1)


@dataclass(frozen=True)
class OwnPipeline:
    """A pipeline of this checkout, with its own file, on hollow clusters: what is set besides."""

    name: str
    dag: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)

    def text(self, more: Mapping[str, str]) -> str:
        """Return the text of group_vars/<pipeline>.yml: that of this checkout, with more in it."""
        text = (CHECKOUT / f"group_vars/{self.name}.yml").read_text()
        kept = [line for line in text.splitlines() if not line.startswith("dag:")]
        dag = {**yaml.safe_load(text)["dag"], **_DAG, **self.dag}
        added = {**_HOLLOW, **self.settings, **more, "dag": dag}
        return "\n".join([*kept, *(f"{key}: {json.dumps(value)}" for key, value in added.items()), ""])


class HollowCheckout:
    """The checkout. `account` is the folder with the local account's keys, `.kiln/local` of the other one.

    `workers`: the commands of each pipeline are to reach AWS as on a worker of their own. On one worker those
    that use the same configuration of AWS share a part of EMR's quotas, and wait for each other.
    """

    def __init__(
        self,
        root: Path,
        account: Path,
        pipelines: Mapping[str, HollowPipeline | OwnPipeline],
        *,
        workers: bool = False,
    ) -> None:
        copy_checkout(root)
        self.root, self.dags = root, root / "dags"
        (root / ".venv").symlink_to(CHECKOUT / ".venv")
        (root / ".kiln").mkdir()
        (root / ".kiln/local").symlink_to(account)
        own = inventories.pipelines(root, "local")
        for name in own:
            for old in (*root.glob(f"group_vars/{name}*.yml"), *self.dags.glob(f"{name}.py")):
                old.unlink()
        hosts = root / "inventory/local/hosts.yml"
        names = "".join(f"            {name}: {{}}\n" for name in pipelines)
        lines = "".join(f"            {name}: {{}}\n" for name in own)
        assert lines in hosts.read_text()
        hosts.write_text(hosts.read_text().replace(lines, names))
        self._configs = {name: root / f".kiln/workers/{name}/aws_config" for name in pipelines if workers}
        for name, pipeline in pipelines.items():
            worker = {"aws_config_file": str(self._configs[name])} if workers else {}
            (root / f"group_vars/{name}.yml").write_text(pipeline.text(worker))

    def make_workers(self, config: Path) -> None:
        """Give each worker the configuration of AWS, once the account is there."""
        for file in self._configs.values():
            file.parent.mkdir(mode=0o700, parents=True)
            shutil.copyfile(config, file)

    def set_for_all(self, settings: dict[str, Any]) -> None:
        """Set variables of the environment."""
        (self.root / "group_vars/local/tests.yml").write_text(json.dumps(settings, indent=1))

    def write_vault(self, secrets: dict[str, str]) -> None:
        """Make the vault of the environment, with these secrets and nothing else."""
        self.kiln("vault", "init", "--env", "local")
        vault = self.root / "vault/local.yml"
        vault.write_text(json.dumps(secrets))
        password = self.root / ".kiln/vault/local.password"
        tool = CHECKOUT / ".venv/bin/ansible-vault"
        subprocess.run(
            [tool, "encrypt", "--vault-password-file", password, vault], check=True, capture_output=True
        )

    def kiln(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command as people do; it must succeed."""
        done = subprocess.run(
            [self.root / "scripts/kiln", *arguments], check=False, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done
