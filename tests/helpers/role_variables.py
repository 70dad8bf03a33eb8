"""Which variables the tasks of a role read, found in Jinja's own syntax trees."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml
from jinja2 import Environment, meta

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

# Values of these keys are expressions without braces.
EXPRESSIONS = frozenset({"when", "that", "until", "changed_when", "failed_when"})
# Expressions that Ansible evaluates when the task has made its result.
ABOUT_ITS_RESULT = frozenset({"until", "changed_when", "failed_when"})
# Keys of a task whose values are no templates that count.
LABELS = frozenset({"register", "tags", "name"})
INCLUDES = ("import_tasks", "include_tasks")
# What Ansible itself gives: magic variables, and what lookups and loops are called by.
GIVEN = frozenset(
    {
        *("hostvars", "groups", "group_names", "inventory_hostname", "inventory_dir", "inventory_file"),
        *("playbook_dir", "role_path", "omit", "item", "environment", "lookup", "query", "q", "now", "undef"),
    }
)


class _Every(dict[str, Any]):
    """Filters and tests by any name: Ansible's own are many, and only names of variables count here."""

    def get(self, key: str, default: Any = None) -> Any:  # noqa: ARG002  # dict's signature
        return str


JINJA = Environment(autoescape=True)
JINJA.filters, JINJA.tests = _Every(), _Every()


def names_in(value: Any, *, is_expression: bool = False) -> Iterator[str]:
    """Yield the variables that a value of a YAML file reads when Ansible templates it."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from names_in(key)
            yield from names_in(inner, is_expression=str(key) in EXPRESSIONS)
    elif isinstance(value, list):
        for inner in value:
            yield from names_in(inner, is_expression=is_expression)
    elif isinstance(value, str):
        template = f"{{{{ {value} }}}}" if is_expression and "{{" not in value else value
        yield from meta.find_undeclared_variables(JINJA.parse(template))


def tasks_of(folder: Path, entry: str) -> Iterator[dict[str, Any]]:
    """Yield the tasks of an entry point, with those of the files that it includes, blocks taken apart."""
    yield from _flat(folder, yaml.safe_load((folder / f"{entry}.yml").read_text()))


def _flat(folder: Path, tasks: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for task in tasks:
        yield {key: value for key, value in task.items() if key not in {"block", "rescue", "always"}}
        for part in ("block", "rescue", "always"):
            yield from _flat(folder, task.get(part, ()))
        for include in INCLUDES:
            if named := task.get(f"ansible.builtin.{include}"):
                file = named if isinstance(named, str) else named["file"]
                # What the task that includes a file sets is set for all tasks of the file.
                given = task.get("vars", {})
                for inner in tasks_of(folder, file.removesuffix(".yml")):
                    yield inner | {"vars": given | inner.get("vars", {})}


def read_by(role: Path, entry: str) -> set[str]:
    """Return the variables from outside that an entry point reads; vars/ and templates are followed."""
    internal = yaml.safe_load(file.read_text()) if (file := role / "vars/main.yml").exists() else {}
    found: set[str] = set()
    made: set[str] = set()
    for task in tasks_of(role / "tasks", entry):
        given = {key: task[key] for key in task if key not in LABELS | ABOUT_ITS_RESULT}
        after = {key: task[key] for key in task if key in ABOUT_ITS_RESULT}
        if template := task.get("ansible.builtin.template"):
            given["template"] = (role / "templates" / template["src"]).read_text()
        read = set(names_in(given)) | set(names_in(after)) - {task.get("register", "")}
        read = _expanded(read, internal)
        found |= read - made - set(task.get("vars", ()))
        # What a task makes is an input, too, when the same task or an earlier one reads it.
        made |= {task.get("register", ""), *task.get("ansible.builtin.set_fact", ())}
    return {name for name in found - GIVEN - set(internal) if not name.startswith("ansible_")}


def _expanded(names: set[str], internal: dict[str, Any]) -> set[str]:
    """Return names with those that the values of internal variables read."""
    found: set[str] = set()
    while new := names - found:
        found |= new
        names = set(names_in([internal[name] for name in new if name in internal]))
    return found
