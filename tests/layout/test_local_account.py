"""What `make local` prints can be typed as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import yaml
from local import next_commands

CHECKOUT = Path(__file__).resolve().parents[2]


def commands() -> list[str]:
    return [line.strip() for line in next_commands("2026-11-20").splitlines() if line.startswith("  ")]


def test_every_playbook_is_named_in_the_order_of_a_run() -> None:
    shown = [re.search(r"playbooks/(\w+)\.yml", line) for line in commands()]
    names = [found[1] for found in shown if found]
    assert names == ["launch", "provision", "deploy", "run_steps", "terminate"]
    assert all((CHECKOUT / "playbooks" / f"{name}.yml").is_file() for name in names)


def test_the_commands_name_a_pipeline_of_the_local_environment() -> None:
    tree = yaml.safe_load((CHECKOUT / "inventory/local/hosts.yml").read_text())
    listed = tree["all"]["children"]["local"]["children"]["pipelines"]["children"]
    named = {word for line in commands() for word in re.findall(r"pipeline=(\w+)", line)}
    assert len(named) == 1
    assert named <= set(listed)
