"""What the role of the data-science instance refuses before it changes the instance."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from ansible_copy import AnsibleCopy

PLAY = """
- hosts: localhost
  tasks:
    - ansible.builtin.import_role: {name: data_science_node, tasks_from: check}
"""
DASHBOARD, REQUIREMENTS = "data_science_node_dashboard", "data_science_node_python_requirements"


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({DASHBOARD: "examples/nothing"}, "has no file examples/nothing/dashboard.ipynb"),
        ({REQUIREMENTS: "requirements/nothing.txt"}, "is requirements/nothing.txt, and"),
        ({REQUIREMENTS: ""}, "is '', and"),
    ],
)
def test_a_dashboard_or_a_lock_file_that_is_not_there_is_refused(
    ansible_copy: AnsibleCopy, values: dict[str, str], named: str
) -> None:
    ansible_copy.write("playbooks/try.yml", PLAY)
    ansible_copy.write("examples/dashboard/dashboard.ipynb", "{}")
    done = ansible_copy.run(
        *(
            "ansible-playbook",
            "-i",
            "inventory/local/hosts.yml",
            "playbooks/try.yml",
            "-e",
            json.dumps(values),
        )
    )
    said = " ".join(done.stdout.split())
    assert done.returncode != 0
    assert f"{next(iter(values))} is " in said
    assert named in said
