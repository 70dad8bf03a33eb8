"""Write docs/variables.md and the roles' READMEs from argument_specs and from comments in group_vars.

`--check` writes nothing and fails when a file is not what would be written.
"""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

import generated_pages
import yaml
from generated_pages import CHECKOUT

if TYPE_CHECKING:
    from pathlib import Path

HEAD = """\
# Variables

<!-- Written by scripts/document_variables.py from roles/*/meta/ and the comments in group_vars/. -->

All settings are Ansible variables. The later wins: role defaults, `group_vars/all/`, the environment
(`group_vars/<environment>/`), the pipeline (`group_vars/<pipeline>.yml`), the pipeline in an environment
(`group_vars/<pipeline>_<environment>.yml`), `-e`.
"""


class Variable(NamedTuple):
    """A variable as it stands in a file of group_vars. `text` is the comment above it, in one line."""

    name: str
    file: str
    text: str
    value: str


def group_variables(root: Path) -> list[Variable]:
    """Return every variable that group_vars sets, file by file, in the order in which it stands there."""
    found = []
    for file in sorted((root / "group_vars").rglob("*.yml")):
        comment: list[str] = []
        lines = file.read_text().splitlines()
        values = yaml.safe_load(file.read_text()) or {}
        for line in lines:
            if line.startswith("#"):
                comment.append(line.lstrip("# ").rstrip())
                continue
            if match := re.match(r"([A-Za-z_][A-Za-z0-9_]*):", line):
                name = match[1]
                label = str(file.relative_to(root))
                found.append(Variable(name, label, " ".join(comment), _shown(values[name])))
            if not line.startswith(" "):
                comment = []
    return found


def specifications(root: Path) -> dict[str, dict[str, Any]]:
    """Return role -> entry point -> its specification."""
    return {
        file.parts[-3]: yaml.safe_load(file.read_text())["argument_specs"]
        for file in sorted((root / "roles").glob("*/meta/argument_specs.yml"))
    }


def role_readme(role: str, entries: dict[str, Any]) -> str:
    """Return the README of a role."""
    parts = [f"# {role}\n\n<!-- Written by scripts/document_variables.py from meta/argument_specs.yml. -->\n"]
    for entry in sorted(entries, key=lambda name: (name != "main", name)):
        spec = entries[entry]
        title = "" if entry == "main" else f"## {entry}\n\n"
        body = " ".join(spec.get("description", []))
        parts.append(f"{title}{spec['short_description']}. {body}\n\n{_table(spec.get('options') or {})}")
    return "\n".join(parts)


def variables_page(specs: dict[str, dict[str, Any]], variables: list[Variable]) -> str:
    """Return docs/variables.md."""
    places = defaultdict(list)
    for variable in variables:
        places[variable.name].append(variable.file)
    in_tables: set[str] = set()
    parts = [HEAD]
    for role, entries in specs.items():
        options = {n: o for spec in entries.values() for n, o in (spec.get("options") or {}).items()}
        own = {name: option for name, option in options.items() if name.startswith(f"{role}_")}
        in_tables |= own.keys()
        if own:
            parts.append(f"## {role}\n\n{_table(own, places)}")
    by_file = defaultdict(list)
    for variable in variables:
        elsewhere = variable.name in in_tables and not variable.file.startswith("group_vars/all/")
        if variable.text and not variable.name.startswith("__") and not elsewhere:
            by_file[variable.file].append(variable)
    for file, members in by_file.items():
        rows = [f"| `{v.name}` | {_cell(v.text)} | {_cell(v.value)} |" for v in members]
        parts.append(
            "\n".join([f"## {file}\n", "| Variable | Meaning | Value |", "|---|---|---|", *rows, ""])
        )
    return "\n".join(parts)


def _table(options: dict[str, Any], places: dict[str, list[str]] | None = None) -> str:
    if not options:
        return "No variables.\n"
    last = " Set in |" if places is not None else ""
    rows = [f"| Variable | Meaning | Type | Default |{last}", "|---|---|---|---|" + ("---|" if last else "")]
    for name, option in _with_members(options).items():
        default = (
            _shown(option["default"]) if "default" in option else "required" if option.get("required") else ""
        )
        kind = option["type"] + (f" of {option['elements']}" if "elements" in option else "")
        row = f"| `{name}` | {_cell(option['description'])} | {kind} | {_cell(default)} |"
        rows.append(row + (f" {_cell(', '.join(places.get(name, [])))} |" if places is not None else ""))
    return "\n".join(rows) + "\n"


def _with_members(options: dict[str, Any]) -> dict[str, Any]:
    """Return options, each followed by those of its members: `steps[].name`, `steps[].spark.jar`."""
    found = {}
    for name, option in options.items():
        found[name] = option
        place = f"{name}[]" if option["type"] == "list" else name
        inner = _with_members(option.get("options", {}))
        found |= {f"{place}.{key}": one for key, one in inner.items()}
    return found


def _shown(value: Any) -> str:
    """Return a value in a table's form; long ones and templates are to be read where they stand."""
    text = yaml.safe_dump(value, default_flow_style=True, width=1000).strip().removesuffix("...").strip()
    if isinstance(value, str) and "undef(" in value:
        return "unset"
    if isinstance(value, str) and "{{" in value:
        return "computed"
    return f"`{text}`" if len(text) <= 60 else "see there"  # noqa: PLR2004  # what a table's cell takes


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def pages(root: Path) -> dict[Path, str]:
    """Return every page that this script owns, by its path."""
    specs = specifications(root)
    written = {
        root / "roles" / role / "README.md": role_readme(role, entries) for role, entries in specs.items()
    }
    written[root / "docs/variables.md"] = variables_page(specs, group_variables(root))
    return written


if __name__ == "__main__":
    sys.exit(generated_pages.main(__doc__, lambda: pages(CHECKOUT)))
