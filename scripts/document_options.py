"""Write what follows from the typed model: options of modules and roles, and the arguments of the launch.

A launch option is one field of ClusterShape (src/kiln/settings/model.py) and one default of the role
emr_cluster; a step's field is one of StepSettings. This script writes them between two marked lines into the
files of `blocks`. `--check` writes nothing and fails when a file is not what would be written.
"""

from __future__ import annotations

import argparse
import sys
import textwrap
from pathlib import Path
from typing import Any

import yaml

from kiln.ansible_modules import options
from kiln.settings.model import CLUSTER_PREFIX

CHECKOUT = Path(__file__).resolve().parents[1]
BEGIN = "# Written by scripts/document_options.py from src/kiln/settings/model.py:"
END = "# End of what scripts/document_options.py writes."
WIDTH = 110
KEYS = ("type", "choices", "elements", "required", "default")


def blocks(root: Path) -> dict[str, list[str]]:
    """Return file -> the lines between its marks, from the first column."""
    defaults = yaml.safe_load((root / "roles/emr_cluster/defaults/main.yml").read_text())
    return {
        "plugins/modules/emr_cluster.py": option_lines(_launch(options.SHAPE), "suboptions"),
        "plugins/modules/emr_step.py": option_lines(options.STEP_FIELDS, "suboptions"),
        "roles/emr_cluster/meta/argument_specs.yml": option_lines(_role(options.SHAPE, defaults)),
        "roles/emr_cluster/tasks/main.yml": [
            f'{name}: "{{{{ {CLUSTER_PREFIX}{name} }}}}"' for name in options.SHAPE
        ],
        "roles/emr_steps/meta/argument_specs.yml": option_lines(options.STEP_FIELDS),
    }


def _launch(shape: dict[str, Any]) -> dict[str, Any]:
    """Return the module's options: what a launch requires, the end of a cluster does not."""
    found = {}
    for name, option in shape.items():
        text = option["description"] + (" Required to launch." if option.get("required") else "")
        found[name] = {key: value for key, value in option.items() if key != "required"} | {
            "description": text
        }
    return found


def _role(shape: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    """Return the role's options: its defaults say what need not be set."""
    found = {}
    for field, option in shape.items():
        name = CLUSTER_PREFIX + field
        kept = {key: value for key, value in option.items() if key not in {"required", "default"}}
        found[name] = kept | ({"default": defaults[name]} if name in defaults else {"required": True})
    return found


def option_lines(found: dict[str, Any], word: str = "options") -> list[str]:
    """Return options as YAML; `word` is what options of an option are called, in modules or in roles."""
    lines = []
    for name, option in found.items():
        lines += [f"{name}:", *_indented(_description(option["description"]))]
        lines += [f"  {key}: {_shown(option[key])}" for key in KEYS if key in option]
        if "options" in option:
            lines += [f"  {word}:", *_indented(_indented(option_lines(option["options"], word)))]
    return lines


def _description(text: str) -> list[str]:
    line = f"description: {_shown(text)}"
    # Blocks stand at most 16 columns to the right.
    if len(line) <= WIDTH - 16:
        return [line]
    return ["description: >-", *_indented(textwrap.wrap(text, WIDTH - 18))]


def _indented(lines: list[str]) -> list[str]:
    return [f"  {line}" for line in lines]


def _shown(value: Any) -> str:
    """Return a value as YAML in one line."""
    if value == "":
        return '""'
    text = yaml.safe_dump(value, default_flow_style=True, width=10_000, allow_unicode=True).strip()
    return text.removesuffix("...").strip()


def written(text: str, lines: list[str], label: str) -> str:
    """Return a file's text with the lines between its marks. Raises ValueError without the marks."""
    kept = text.splitlines()
    try:
        first = next(number for number, line in enumerate(kept) if line.strip() == BEGIN)
        last = next(number for number, line in enumerate(kept) if line.strip() == END)
    except StopIteration:
        raise ValueError(f"{label} has not the lines {BEGIN!r} and {END!r}") from None
    indent = kept[first].removesuffix(BEGIN)
    return "\n".join([*kept[: first + 1], *(indent + line for line in lines), *kept[last:]]) + "\n"


def pages(root: Path) -> dict[Path, str]:
    """Return the whole text of every file that holds a block, by its path."""
    return {
        root / name: written((root / name).read_text(), lines, name) for name, lines in blocks(root).items()
    }


def main() -> int:
    """Write the blocks, or say which differ."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a file is out of date")
    check = parser.parse_args().check
    stale = {path: text for path, text in pages(CHECKOUT).items() if path.read_text() != text}
    for path, text in stale.items():
        if not check:
            path.write_text(text)
        print(f"{path.relative_to(CHECKOUT)} {'is out of date' if check else 'written'}", file=sys.stderr)
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
