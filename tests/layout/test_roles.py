"""The roles' contracts: what stands in argument_specs, in defaults and in the documentation is the same."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import role_variables
import yaml

CHECKOUT = Path(__file__).resolve().parents[2]
ROLES = sorted(path.name for path in (CHECKOUT / "roles").iterdir() if path.is_dir())


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text()) if path.exists() else None


def options(role: str) -> dict[str, dict[str, Any]]:
    entries = read(CHECKOUT / "roles" / role / "meta/argument_specs.yml")["argument_specs"]
    return {
        name: option for entry in entries.values() for name, option in (entry.get("options") or {}).items()
    }


@pytest.mark.parametrize("role", ROLES)
def test_defaults_and_argument_specs_say_the_same(role: str) -> None:
    declared = {name: option["default"] for name, option in options(role).items() if "default" in option}
    assert (read(CHECKOUT / "roles" / role / "defaults/main.yml") or {}) == declared


@pytest.mark.parametrize("role", ROLES)
def test_required_inputs_have_no_default(role: str) -> None:
    wrong = [name for name, option in options(role).items() if option.get("required") and "default" in option]
    assert wrong == []


@pytest.mark.parametrize("role", ROLES)
def test_every_input_is_described(role: str) -> None:
    assert [name for name, option in options(role).items() if not option.get("description")] == []


@pytest.mark.parametrize("role", ROLES)
def test_defaults_bear_the_name_of_their_role(role: str) -> None:
    names = read(CHECKOUT / "roles" / role / "defaults/main.yml") or {}
    assert [name for name in names if not name.startswith(f"{role}_")] == []


@pytest.mark.parametrize("role", ROLES)
def test_every_entry_point_has_its_tasks(role: str) -> None:
    entries = read(CHECKOUT / "roles" / role / "meta/argument_specs.yml")["argument_specs"]
    assert [
        entry for entry in entries if not (CHECKOUT / "roles" / role / "tasks" / f"{entry}.yml").exists()
    ] == []


def test_internal_variables_of_a_role_bear_its_name() -> None:
    for role in ROLES:
        text = "".join(path.read_text() for path in (CHECKOUT / "roles" / role).rglob("*.yml"))
        foreign = {name for name in re.findall(r"\b__([a-z_]+)\b", text) if not name.startswith(role)}
        assert foreign == set(), role


def test_task_files_are_short() -> None:
    long = {
        str(path.relative_to(CHECKOUT)): count
        for path in (CHECKOUT / "roles").glob("*/tasks/*.yml")
        if (count := len(path.read_text().splitlines())) > 70
    }
    assert long == {}


@pytest.mark.parametrize("name", ["document_options", "document_variables"])
def test_what_scripts_write_is_up_to_date(name: str) -> None:
    script = CHECKOUT / f"scripts/{name}.py"
    checked = subprocess.run([sys.executable, script, "--check"], check=False, capture_output=True, text=True)
    assert checked.returncode == 0, f"{checked.stderr}run {script.relative_to(CHECKOUT)}"


# Read by a role and no option of it, each with the reason.
NO_OPTIONS = {
    # An option is evaluated, and nothing may evaluate what refers to secrets (roles/node_secrets/README.md).
    ("node_secrets", "main", "node_secrets_values"),
}
ENTRIES = [
    (role, entry)
    for role in ROLES
    for entry in read(CHECKOUT / "roles" / role / "meta/argument_specs.yml")["argument_specs"]
]


@pytest.mark.parametrize(("role", "entry"), ENTRIES)
def test_every_variable_that_a_role_reads_is_an_option_of_it(role: str, entry: str) -> None:
    spec = read(CHECKOUT / "roles" / role / "meta/argument_specs.yml")["argument_specs"][entry]
    wanted = role_variables.read_by(CHECKOUT / "roles" / role, entry)
    missing = {name for name in wanted if (role, entry, name) not in NO_OPTIONS} - set(
        spec.get("options", {})
    )
    assert missing == set()


@pytest.mark.parametrize(("role", "entry"), ENTRIES)
def test_every_option_of_a_role_is_read_by_it(role: str, entry: str) -> None:
    spec = read(CHECKOUT / "roles" / role / "meta/argument_specs.yml")["argument_specs"][entry]
    read_by = role_variables.read_by(CHECKOUT / "roles" / role, entry)
    assert set(spec.get("options", {})) - read_by == set()


def test_variables_are_found_wherever_a_task_reads_them(tmp_path: Path) -> None:
    files = {
        "tasks/main.yml": """
- name: Block
  when: in_when and not (in_not | default(true))
  block:
    - name: Inner
      ansible.builtin.include_tasks:
        file: more.yml
      loop: "{{ in_loop + [item] }}"
      vars: {local: 1}
- name: Name it
  ansible.builtin.set_fact:
    made: "{{ __r_internal ~ local }}"
  when: made is not defined
""",
        "tasks/more.yml": """
- name: More
  ansible.builtin.assert:
    that:
      - in_that is regex('^{x}$')
      - "{{ in_braces | map(attribute='y') }}"
  register: done
- name: Use it
  ansible.builtin.debug:
    msg: "{% set own = in_set %}{{ own }}{{ done.changed }}{{ hostvars.a.b }}"
- name: Write
  ansible.builtin.template:
    src: page.j2
    dest: /page
""",
        "templates/page.j2": "{{ in_template }}{{ item.title }}",
        "vars/main.yml": """
__r_internal: "{{ __r_deeper }}"
__r_deeper: "{{ in_vars }}"
__r_unused: "{{ not_read }}"
""",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert role_variables.read_by(tmp_path, "main") == {
        *("in_when", "in_not", "in_loop", "in_that", "in_braces", "in_set", "in_vars", "in_template", "made"),
        "local",  # a task's vars are its own: another task reads it too
    }


@pytest.mark.parametrize("role", ROLES)
def test_every_default_has_a_comment(role: str) -> None:
    path = CHECKOUT / "roles" / role / "defaults/main.yml"
    lines = path.read_text().splitlines() if path.exists() else []
    names = read(path) or {}
    places = {line.partition(":")[0]: number for number, line in enumerate(lines) if line[:1].isalpha()}
    assert [name for name in names if not lines[places[name] - 1].startswith("# ")] == []
