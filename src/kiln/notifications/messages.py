"""Messages from facts: rendered from a template, in which all that comes from outside is only ever text."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import resources
from string import Template
from typing import TYPE_CHECKING, NamedTuple

from kiln.display.duration import duration
from kiln.notifications.events import EVENTS
from kiln.printable import line_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from kiln.notifications.occasion import Facts

# In characters. A mail server or a chat may refuse what is longer than its own limit, which is far above.
_LINE, _FIX, _LINES, _SUBJECT = 300, 500, 20, 150
_LONGEST = 12_000


class Message(NamedTuple):
    """A message: one line and a text, without control characters and within limits.

    `id` is the same for the same event of the same run, and another one for every other.
    """

    subject: str
    text: str
    id: str


def message(event: str, key: str, facts: Facts) -> Message:
    """Return the message about an event."""
    values = _values(facts)
    verdict = EVENTS[event].verdict.substitute(values)
    note = EVENTS[event].note.substitute(values)
    text = _filled(_template(), values | {"verdict": verdict, "note": note})
    place = f"{facts.identity.pipeline} in {facts.identity.environment}"
    subject = _short(f"[kiln] {place}: {verdict}", _SUBJECT)
    identity = facts.identity
    whose = (identity.environment, identity.pipeline, identity.run_id, event, key)
    return Message(
        subject, text[:_LONGEST], hashlib.sha256("\n".join(whose).encode(errors="replace")).hexdigest()
    )


@cache
def _template() -> str:
    return resources.files("kiln.notifications").joinpath("templates/message.txt").read_text("utf-8")


def _filled(template: str, values: Mapping[str, str]) -> str:
    """Fill in a template. A line whose values are all empty is left out, and a heading above nothing.

    Values are put in once: what looks like a placeholder in one stays as it is.
    """
    blocks = []
    for block in template.split("\n\n"):
        kept = []
        for line in block.splitlines():
            names = Template(line).get_identifiers()
            if not names or any(values[name] for name in names):
                kept.append((bool(names), Template(line).substitute(values)))
        if any(has_values for has_values, _ in kept):
            blocks.append("\n".join(line for _, line in kept))
    return "\n\n".join(blocks) + "\n"


def _values(facts: Facts) -> dict[str, str]:
    named = (facts.what, facts.task, facts.phase, facts.exit_code, facts.failure_class, facts.held_until)
    what, task, phase, exit_code, failure_class, held_until = (_short(one) for one in named)
    identity = facts.identity
    cluster = ", ".join(filter(None, (facts.cluster_id, facts.cluster_state)))
    return {
        "what": what,
        "task": task,
        "phase": phase,
        "exit_code": exit_code,
        "failure_class": failure_class,
        "held_until": held_until,
        "pipeline": _short(identity.pipeline),
        "environment": _short(identity.environment),
        "run_id": _short(identity.run_id),
        "cause": _block(facts.cause, indent="  "),
        "cluster": _short(cluster),
        "duration": _duration(facts),
        "fix": _short(facts.fix, _FIX),
        "details": _block(facts.details, indent="  "),
        "commands": _block(facts.commands, indent="  "),
        "links": _block(facts.links, indent="  "),
    }


def _duration(facts: Facts) -> str:
    took = duration(facts.seconds) if facts.seconds else ""
    if not facts.usual_runs:
        return took
    usual = f"usually {duration(facts.usual_seconds)}, the median of {facts.usual_runs} earlier ones"
    return f"{took} ({usual})" if took else usual


def _short(text: str, most: int = _LINE) -> str:
    """Return text as one line without control characters, at most so long."""
    # Shortened first: what is escaped grows, and only what is shown costs time.
    line = line_of(text[: most + 1]).replace("\t", " ")
    return line if len(line) <= most else f"{line[: most - 1]}…"


def _block(lines: Iterable[str], indent: str = "") -> str:
    """Return the first lines of a text, each of them short; indented, none looks like the template's own."""
    split = [part for line in lines for part in line[: _LINE * _LINES].split("\n") if part.strip()]
    more = [f"{indent}… and {len(split) - _LINES} more lines"] if len(split) > _LINES else []
    return "\n".join([f"{indent}{_short(line)}" for line in split[:_LINES]] + more)
