"""Write the tables of docs/emrbox.md from emrbox's own: commands, operations, states, events, faults.

`--check` writes nothing and fails when the page is not what would be written.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.loaders import Loader

from emrbox.athena.coverage import NO_STATEMENTS, STATEMENTS
from emrbox.athena.coverage import OPERATIONS as ATHENA_OPERATIONS
from emrbox.commands import cli
from emrbox.emr.api.coverage import COVERAGE, Extent
from emrbox.emr.api.request_members import SHAPES
from emrbox.emr.life import events as emr_events
from emrbox.emr.life import notices, states
from emrbox.faults.kinds.table import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

PROJECT = Path(__file__).resolve().parents[1]
PAGE = PROJECT / "docs/emrbox.md"
PACKAGE = PROJECT / "src/emrbox"
BLOCK = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end of table -->)", re.DOTALL)
SECTION = re.compile(r"(?:docs/aws_facts.md )?(\d+(?:\.\d+)?(?:, \d+(?:\.\d+)?)*)")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table of Markdown."""
    lines: list[Sequence[str]] = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(_cell(text) for text in line) + " |" for line in lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")


def commands() -> str:
    """Return what `emrbox --help` lists."""
    [group] = [action for action in cli.parser()._actions if isinstance(action, argparse._SubParsersAction)]  # noqa: SLF001  # argparse shows its commands nowhere else
    rows = [(f"`emrbox {one.dest}`", (one.help or "").replace("%%", "%")) for one in group._choices_actions]  # noqa: SLF001  # as above
    return table(("Command", "What it does"), rows)


def operations() -> str:
    """Return EMR's operations: those that are there, then the others by what is missing."""
    rows = [
        (f"`{name}`", str(one.extent), f"{one.behaviour}.", _source(one.source))
        for name, one in COVERAGE.items()
        if one.extent is not Extent.NOT_AVAILABLE
    ]
    missing: dict[str, list[str]] = {}
    for name, one in COVERAGE.items():
        if one.extent is Extent.NOT_AVAILABLE:
            missing.setdefault(one.behaviour, []).append(f"`{name}`")
    real, partly = (
        sum(one.extent is extent for one in COVERAGE.values()) for extent in (Extent.REAL, Extent.PARTLY)
    )
    counts = (
        f"botocore's model of EMR has {len(COVERAGE)} operations. {len(rows)} are there: {real} real, "
        f"{partly} in part, with what they lack in their rows. {len(COVERAGE) - len(rows)} are not, those of "
        f"{' and of '.join(sorted(missing))}, which are not about clusters on EC2:\n\n"
    )
    lines = [(what, ", ".join(names)) for what, names in sorted(missing.items())]
    return (
        table(("Operation", "Is", "What it does here", "Source"), rows)
        + f"\n{counts}"
        + table(("Not available", "Refused with `… is not available in this region`"), lines)
    )


def athena_operations() -> str:
    """Return Athena's operations and statements."""
    model = Loader().load_service_model("athena", "service-2")["operations"]
    rows = [(f"`{name}`", f"{text}.") for name, text in ATHENA_OPERATIONS.items()]
    missing = ", ".join(f"`{name}`" for name in sorted(set(model) - set(ATHENA_OPERATIONS)))
    return (
        table(("Operation", "What it does here"), rows)
        + f"\n{len(rows)} of {len(model)} operations are there. Refused by name: {missing}.\n\n"
        + table(("Statement", "What it takes here"), [(n, f"{text}.") for n, text in STATEMENTS.items()])
        + f"\nRefused by name: {NO_STATEMENTS}.\n"
    )


def request_members() -> str:
    """Return what becomes of each member of launches and of what changes clusters."""
    rows = [
        (f"`{shape.removesuffix('Input')}.{name}`", str(member.use), member.what)
        for shape, members in SHAPES.items()
        for name, member in members.items()
    ]
    return table(("Member", "Is", "What"), rows)


def _source(text: str) -> str:
    """Name the sections of the collected facts; other sources stand as they are."""
    if SECTION.fullmatch(text):
        return f"[facts {text.removeprefix('docs/aws_facts.md ')}](../../docs/aws_facts.md)"
    return {"model": "[botocore's model](#sources)", "guess": "**guess**"}.get(text, text)


def state_tables() -> str:
    """Return which state may follow which."""
    parts = []
    for title, transitions in (
        ("Cluster", states.CLUSTER_TRANSITIONS),
        ("Instance group", states.GROUP_TRANSITIONS),
        ("Instance", states.INSTANCE_TRANSITIONS),
        ("Step", states.STEP_TRANSITIONS),
        ("Session", states.SESSION_TRANSITIONS),
    ):
        following: dict[Any, Any] = dict(transitions)
        rows = [(f"`{name}`", _names(found) or "(the end)") for name, found in following.items()]
        parts.append(table((title, "may become"), rows))
    return "\n".join(parts)


def _names(found: set[Any]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(found))


def events() -> str:
    """Return the kinds of events that EMR has."""
    source = _source("docs/aws_facts.md 5.2, 5.3")
    rows = [(f"`{kind}`", severity, "", when, source) for kind, severity, when in emr_events.STATE_CHANGES]
    rows += [
        (f"`{one.detail_type.format('…')}`", one.severity, one.code and f"`{one.code}`", one.when, one.source)
        for one in notices.KINDS
    ]
    missing = ", ".join(f"`{name}`" for name in notices.NOT_SENT)
    return table(("Event", "Severity", "eventCode", "When", "Source"), rows) + f"\nNot sent: {missing}.\n"


def faults() -> str:
    """Return the kinds of faults."""
    rows = []
    for kind in KINDS.values():
        parameters = "; ".join(f"`{n}` = `{p.default}`: {p.meaning}" for n, p in kind.parameters.items())
        rows.append((f"`{kind.name}`", str(kind.where), kind.does, parameters, kind.clusters, kind.source))
    return table(("Fault", "Acts on", "What it does", "Parameters", "Clusters", "Source"), rows)


def guesses() -> str:
    """Return every comment and docstring that says that something is a guess, with its place."""
    rows: list[tuple[str, str, str]] = []
    for file in sorted(PACKAGE.rglob("*.py")):
        name = file.relative_to(PACKAGE)
        rows += [(f"`{name}`", where, _plain(text)) for where, text in _guesses_in(file.read_text())]
    return table(("File", "In", "The guess"), rows)


def _plain(text: str) -> str:
    """Leave out what the table's head says already."""
    text = re.sub(
        r"^(A )?guess( \(docs/aws_facts.md,? open (?:doubt|question) \d+\))?: ", "", text, flags=re.IGNORECASE
    )
    text = re.sub(r" \(docs/aws_facts.md,? open (?:doubt|question) \d+\)", "", text)
    return text[:1].upper() + text[1:]


def _guesses_in(source: str) -> Iterator[tuple[str, str]]:
    """Give the place and words of each guess: whole comments, and sentences of docstrings."""
    tree = ast.parse(source)
    lines = source.splitlines()
    number = 0
    while number < len(lines):
        block = _comment(lines, number)
        text = " ".join(part for part in block if part)
        if re.search(r"\bguess\b", text, re.IGNORECASE):
            yield _place(tree, number + 1, lines, number + max(len(block), 1)), text
        number += max(len(block), 1)
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            document = re.sub(r"\s+", " ", ast.get_docstring(node) or "")
            for sentence in re.split(r"(?<=[.;]) ", document):
                if re.search(r"(?<!\")\b[Gg]uess\b", sentence):
                    yield f"`{node.name}`", sentence


def _comment(lines: list[str], number: int) -> list[str]:
    """Return the comment that begins in a line: the rest of that line, or all lines that are only comment."""
    code, mark, text = lines[number].partition("# ")
    if not mark or "noqa" in text[:5]:
        return []
    block = [text.strip()]
    while not code.strip() and number + 1 < len(lines) and lines[number + 1].strip().startswith("# "):
        number += 1
        block.append(lines[number].strip().removeprefix("# "))
    return block


def _place(tree: ast.Module, number: int, lines: list[str], following: int) -> str:
    """Name the function around a line, or what is defined in the line or behind the comment."""
    around = [
        node.name
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.ClassDef))
        and node.lineno <= number <= (node.end_lineno or 0)
    ]
    line = lines[number - 1] if not lines[number - 1].strip().startswith("#") else lines[following]
    named = re.match(r"\s*([\w.]+)\s*[:=]", line)
    return f"`{around[-1]}`" if around else f"`{named[1]}`" if named else ""


def own_api() -> str:
    """Return emrbox's own JSON below /_emrbox/: every handler that the code registers."""
    found: dict[str, dict[str, str]] = {}
    for file in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            match node:
                case ast.Call(
                    func=ast.Attribute(value=ast.Name(id="api" | "own"), attr=method),
                    args=[ast.Constant(value=str(name)), _],
                ):
                    found.setdefault(name, {})[method.upper()] = str(file.relative_to(PACKAGE))
    rows = [
        (f"`{name}`", ", ".join(sorted(methods)), f"`{next(iter(methods.values()))}`")
        for name, methods in sorted(found.items())
    ]
    return table(("Below `/_emrbox/`", "By", "Described in"), rows)


TABLES = {
    "own_api": own_api,
    "commands": commands,
    "operations": operations,
    "athena_operations": athena_operations,
    "request_members": request_members,
    "states": state_tables,
    "events": events,
    "faults": faults,
    "guesses": guesses,
}


def page(text: str) -> str:
    """Return the page with all its tables written anew."""
    return BLOCK.sub(lambda found: f"{found[1]}\n{TABLES[found[2]]()}\n{found[3]}", text)


def main() -> int:
    """Write the page, or say that it differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "--check", action="store_true", help="write nothing; fail when a table is out of date"
    )
    check = parser.parse_args().check
    text = PAGE.read_text()
    wanted = page(text)
    if wanted == text:
        return 0
    if not check:
        PAGE.write_text(wanted)
    print(f"{PAGE.relative_to(PROJECT)} {'is out of date' if check else 'written'}", file=sys.stderr)
    return int(check)


if __name__ == "__main__":
    sys.exit(main())
