"""What the driver gets when it asks Ansible for settings, and which of several values wins."""

from __future__ import annotations

import os
import pwd
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest
    from ansible_copy import AnsibleCopy

# From the weakest to the strongest; the last is -e.
LEVELS = [
    "roles/emr_cluster/defaults/main.yml",
    "group_vars/all/kiln.yml",
    "group_vars/local/main.yml",
    "group_vars/model_building.yml",
    "group_vars/model_building_local.yml",
]


def test_the_more_special_value_wins(ansible_copy: AnsibleCopy) -> None:
    keys = [f"emr_cluster_probe_{index}" for index in range(len(LEVELS) + 1)]
    for level, file in enumerate(LEVELS):
        # Variable number n is set in all levels up to n.
        ansible_copy.append(file, "".join(f"\n{key}: {file}" for key in keys[level:]) + "\n")
    found = ansible_copy.settings("local", keys, "pipeline=model_building", f"{keys[-1]}=-e")
    assert found["values"] == dict(zip(keys, [*LEVELS, "-e"], strict=True))
    for key, file in zip(keys, LEVELS, strict=False):
        assert found["origins"][key].startswith(f"{file}:")


def test_a_key_without_value_is_an_entry_of_its_own_and_does_not_hide_the_others(
    ansible_copy: AnsibleCopy,
) -> None:
    ansible_copy.append(
        "group_vars/model_building.yml",
        """
probe_undefined: "{{ there_is_no_such_variable }}"
probe_unset: ["{{ undef(hint='set it there') }}"]
probe_template: "{{ 1 / 0 }}"
probe_good: {"a": [1, "{{ 1 + 1 }}"]}
""",
    )
    keys = ["probe_undefined", "probe_unset", "probe_template", "probe_nowhere", "probe_good"]
    found = ansible_copy.settings("local", keys, "pipeline=model_building")
    assert found["values"] == {"probe_good": {"a": [1, 2]}}
    assert "there_is_no_such_variable" in found["errors"]["probe_undefined"]
    assert found["errors"]["probe_unset"] == "set it there"
    assert "division by zero" in found["errors"]["probe_template"]
    assert found["errors"]["probe_nowhere"] == "not set anywhere"
    assert found["origins"]["probe_unset"].startswith("group_vars/model_building.yml:")


def test_only_what_was_asked_for_is_written_and_only_the_owner_may_read_it(ansible_copy: AnsibleCopy) -> None:
    found = ansible_copy.settings("local", ["kiln_environment"])
    assert found["values"] == {"kiln_environment": "local"}
    assert (ansible_copy.root / "settings.json").stat().st_mode & 0o777 == 0o600


def test_the_owner_is_the_user_also_where_no_variable_says_so(
    ansible_copy: AnsibleCopy, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("KILN_OWNER", "USER", "LOGNAME"):
        monkeypatch.delenv(name, raising=False)
    user = pwd.getpwuid(os.geteuid()).pw_name
    for environment, owner in (({}, user), ({"USER": "anna"}, "anna"), ({"KILN_OWNER": "team"}, "team")):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        assert ansible_copy.settings("local", ["kiln_owner"])["values"] == {"kiln_owner": owner}


def test_what_only_the_account_knows_is_unset_until_it_is_filled_in(ansible_copy: AnsibleCopy) -> None:
    keys = [
        *("kiln_state_uri", "emr_cluster_log_uri", "emr_cluster_key_pair", "emr_cluster_subnet_id"),
        *("model_repo_url", "steps"),
    ]
    for environment in ("stage", "prod"):
        found = ansible_copy.settings(environment, keys, "pipeline=model_building", "run_id=r")
        assert found["values"] == {}
        for key, message in found["errors"].items():
            assert f"_{environment}.yml" in message or f"/{environment}/" in message, (key, message)


def test_the_defaults_of_every_role_count_without_a_list_of_roles(ansible_copy: AnsibleCopy) -> None:
    ansible_copy.write("roles/another/defaults/main.yml", "another_size: '{{ kiln_environment }}-size'\n")
    ansible_copy.write("roles/another/tasks/main.yml", "- name: Fail\n  ansible.builtin.fail: {}\n")
    found = ansible_copy.settings("local", ["another_size"])
    assert found["values"] == {"another_size": "local-size"}
    assert found["origins"]["another_size"] == "roles/another/defaults/main.yml:1"
    ansible_copy.append("group_vars/all/kiln.yml", "\nanother_size: from group_vars\n")
    assert ansible_copy.settings("local", ["another_size"])["values"] == {"another_size": "from group_vars"}


def test_settings_need_nothing_that_ansible_does_not_publish(ansible_copy: AnsibleCopy) -> None:
    file = "plugins/action/kiln_settings.py"
    text = (ansible_copy.root / file).read_text()
    # As in a later Ansible, which may have no such module.
    ansible_copy.write(file, text.replace("ansible._internal._datatag._tags", "ansible._internal._elsewhere"))
    found = ansible_copy.settings("local", ["aws_region", "kiln_nothing"])
    assert found["values"] == {"aws_region": "us-east-1"}
    assert found["errors"] == {"kiln_nothing": "not set anywhere"}
    assert found["origins"] == {}
