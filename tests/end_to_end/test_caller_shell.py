"""Playbooks run by hand in a shell that has other AWS settings."""

from __future__ import annotations

import subprocess

import pytest
from local_world import CHECKOUT, HANG_SECONDS, World, clean_environment

BIN = CHECKOUT / ".venv/bin"
EMRBOX = f'eval "$({BIN}/emrbox env)"'
TOKENS = "export AWS_SESSION_TOKEN=x AWS_SECURITY_TOKEN=x"


@pytest.mark.parametrize("settings", [EMRBOX, TOKENS, f"{TOKENS}; {EMRBOX}"])
def test_playbooks_and_the_inventory_work_in_a_shell_with_other_aws_settings(
    world: World, settings: str
) -> None:
    assert world.live_clusters() == []
    script = f"""
        {settings}
        ansible-inventory -i inventory/local --graph
        ansible-playbook -i inventory/local playbooks/terminate.yml -e pipeline=model_building
    """
    done = subprocess.run(
        ["bash", "-euc", script],
        cwd=CHECKOUT,
        env={**clean_environment(), "PATH": f"{BIN}:{clean_environment()['PATH']}"},
        check=False,
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "@pipelines:" in done.stdout
    assert "failed=0" in done.stdout
