"""Which Ansible this checkout needs, and what it says to an older one."""

from __future__ import annotations

import ast
import importlib
import json
import re
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

if TYPE_CHECKING:
    from ansible_copy import AnsibleCopy

CHECKOUT = Path(__file__).resolve().parents[2]
REQUIREMENTS = CHECKOUT / "requirements"


def locked(name: str) -> dict[str, str]:
    """Return the packages of a lock file with their versions."""
    text = (REQUIREMENTS / f"{name}.txt").read_text()
    return dict(re.findall(r"^([a-z0-9_.-]+)==(\S+)", text, flags=re.MULTILINE))


def minimum() -> str:
    return str(
        yaml.safe_load((CHECKOUT / "roles/pipeline/vars/main.yml").read_text())["__pipeline_core_minimum"]
    )


def asked_for(name: str, python: str) -> SpecifierSet:
    """Return what kiln.in wants of a package for a version of Python."""
    lines = (REQUIREMENTS / "kiln.in").read_text().splitlines()
    wanted = [Requirement(line) for line in lines if line and not line.startswith(("#", "-r"))]
    (one,) = [
        line
        for line in wanted
        if line.name == name and (line.marker is None or line.marker.evaluate({"python_version": python}))
    ]
    return one.specifier


@pytest.mark.parametrize("name", ["kiln", "dev"])
def test_each_lock_file_has_the_ansible_of_its_python(name: str) -> None:
    assert locked(name)["ansible"] in asked_for("ansible", "3.11")
    assert locked(f"{name}_py312")["ansible"] in asked_for("ansible", "3.12")
    # Everything else is the same in both.
    others = [
        {package: one for package, one in locked(lock).items() if package not in {"ansible", "ansible-core"}}
        for lock in (name, f"{name}_py312")
    ]
    assert others[0].keys() == others[1].keys()


def test_the_locked_versions_are_not_below_the_minimum() -> None:
    for lock in ("kiln", "kiln_py312"):
        assert locked(lock)["ansible-core"] in SpecifierSet(f">={minimum()}")


def test_the_collections_for_awx_are_those_of_the_lock_file() -> None:
    document = yaml.safe_load((CHECKOUT / "requirements.yml").read_text())
    allowed = {one["name"]: SpecifierSet(one["version"]) for one in document["collections"]}
    text = "".join(path.read_text() for path in (CHECKOUT / "inventory").rglob("*.yml"))
    text += "".join(
        path.read_text() for name in ("playbooks", "roles") for path in (CHECKOUT / name).rglob("*.yml")
    )
    used = set(re.findall(r"\b((?:amazon|ansible|community)\.[a-z]+)\.[a-z_0-9]+", text)) - {
        "ansible.builtin"
    }
    assert used == set(allowed)
    for name, versions in allowed.items():
        (root,) = importlib.import_module("ansible_collections").__path__
        manifest = json.loads((Path(root) / name.replace(".", "/") / "MANIFEST.json").read_text())
        installed = manifest["collection_info"]["version"]
        # The ends of the range are what the two lock files have, of which one made this environment.
        assert installed in {one.version for one in versions}, f"ansible {version('ansible')} has {installed}"


def test_the_inventory_and_the_role_need_the_same_version() -> None:
    tree = ast.parse((CHECKOUT / "plugins/inventory/kiln_hosts.py").read_text())
    (constant,) = [
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "CORE_MINIMUM"
    ]
    assert ".".join(map(str, ast.literal_eval(constant))) == minimum()


def test_an_older_ansible_is_refused_with_the_way_to_the_right_one(ansible_copy: AnsibleCopy) -> None:
    name = "roles/pipeline/vars/main.yml"
    ansible_copy.write(name, (ansible_copy.root / name).read_text().replace(f'"{minimum()}"', '"99.1"'))
    plugin = "plugins/inventory/kiln_hosts.py"
    text = (ansible_copy.root / plugin).read_text()
    ansible_copy.write(plugin, re.sub(r"CORE_MINIMUM = .*", "CORE_MINIMUM = (99, 1)", text))
    hosts = ("-i", "inventory/local/hosts.yml", "-e", "pipeline=any")
    for playbook in ("launch", "provision", "deploy", "run_steps", "terminate"):
        refused = ansible_copy.run("ansible-playbook", *hosts, f"playbooks/{playbook}.yml")
        assert refused.returncode == 2
        for said in (refused.stdout, refused.stderr):
            line = " ".join(said.split())
            assert "Kiln needs 99.1 or later" in line
            assert "export PATH=" in line
            assert f"{ansible_copy.root}" in line
