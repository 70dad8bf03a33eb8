"""Hostile values for what Kiln and emrbox read from outside: strategies, and a sentinel that must not appear.

`make test` tries each boundary with 2,000 values, `make soak` with 10,000.
"""

from __future__ import annotations

import os
import random
import string
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from hypothesis.strategies import SearchStrategy

T = TypeVar("T")
MANY = int(os.environ.get("HOSTILE_EXAMPLES", "2000"))
_SOAK = 10_000
# `make check` tries few values; what tries every call of a run then tries one of this many.
_STEP = 1 if MANY >= 500 else 6

# `SENTINEL` in these is replaced by a path: a file there means that something has run.
COMMANDS = (
    "{{ lookup('pipe', 'touch SENTINEL') }}",
    "{{ lookup('ansible.builtin.pipe', 'touch SENTINEL') }}",
    "{% for x in [1] %}{{ lookup('pipe','touch SENTINEL') }}{% endfor %}",
    "{{ 7*7 }}",
    "{{ broken",
    "{% raw %}",
    "{# comment #}",
    "$(touch SENTINEL)",
    "`touch SENTINEL`",
    "; touch SENTINEL #",
    "| touch SENTINEL",
    "&& touch SENTINEL",
    "\ntouch SENTINEL\n",
    "'; touch SENTINEL; '",
    '"; touch SENTINEL; "',
    "--upload-pack=touch SENTINEL",
    "--exec=touch SENTINEL",
    "-oProxyCommand=touch SENTINEL",
    "ext::sh -c touch% SENTINEL",
    "!!python/object/apply:os.system ['touch SENTINEL']",
    "!vault |",
    "@/etc/passwd",
)
PLACES = (
    "../../x",
    "..",
    ".",
    "/etc/passwd",
    "a/../../b",
    "a/b",
    "a\\b",
    "~root",
    "",
    " ",
    "-",
    "--",
    "-rf",
    "localhost",
    "emr_target",
    "all",
    "nodes",
    "*",
    "m*n",
    "?",
    "[a-z]",
    "CON",
    "None",
    "null",
    "true",
    "0",
)
SIGNS = (
    "\x1b[2J",
    "\x1b]0;title\x07",
    "\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\",
    "\x07",
    "\r",
    "\n",
    "\x00",
    "\x08",
    "\x7f",
    "\x85",
    "\x9b31m",
    "\u202e",
    "\u2066",
    "\u2028",
    "\u200b",
    "\ufeff",
    "\ud800",
    "é",
    "名",
    "🔥",
    "[bold]x[/bold]",
    "[/]",
)


BAD = (*COMMANDS, *PLACES, *SIGNS)
PLAIN = string.ascii_letters + string.digits + "_.:+=@-/ {}%$;'\""
# Repeated up to so many times. 1,000 braces are beyond every limit on nesting; YAML takes the square of them.
MOST_TIMES = {"a": 5000, "{{": 500, "é": 5000, "/": 5000}
INNER_SHARE, LIST_SHARE = 0.7, 0.5


def many(test: Callable[..., Any]) -> Callable[..., Any]:
    """Try a test with as many values as this run asks for; `make soak` asks for more."""
    marked: Callable[..., Any] = pytest.mark.soak(settings(max_examples=MANY)(test))
    return marked


def _made(make: Callable[[random.Random], T]) -> SearchStrategy[T]:
    """Return a strategy that draws a seed only: drawing whole values takes hypothesis ten times as long."""
    return st.integers(0, 2**64).map(lambda seed: make(random.Random(seed)))  # noqa: S311  # no secret


def texts(*ordinary: str) -> SearchStrategy[str]:
    """Return texts that mean harm, alone and within ordinary ones; `SENTINEL` stands for a path."""
    return _made(lambda chance: _text(chance, (*ordinary, "a", "model_building", "run-1")))


def documents() -> SearchStrategy[Any]:
    """Return JSON values of any shape, with texts that mean harm in them."""
    return _made(lambda chance: _document(chance, depth=chance.randint(0, 5)))


def _text(chance: random.Random, ordinary: Sequence[str] = ("a",)) -> str:
    kinds: tuple[Callable[[], str], ...] = (
        lambda: chance.choice(BAD),
        lambda: chance.choice(ordinary),
        lambda: "".join(chance.choices(PLAIN, k=chance.randint(0, 40))),
        lambda: "".join(chr(chance.randrange(0x300)) for _ in range(chance.randint(0, 20))),
        lambda: "".join(chr(chance.randrange(0x11_0000)) for _ in range(chance.randint(0, 20))),
        lambda: _repeated(chance, chance.choice(tuple(MOST_TIMES))),
        lambda: "".join(chance.choice((*BAD, *ordinary)) for _ in range(chance.randint(1, 4))),
    )
    return chance.choices(kinds, weights=(6, 2, 3, 3, 3, 1, 6))[0]()


def _repeated(chance: random.Random, piece: str) -> str:
    return piece * chance.randint(100, MOST_TIMES[piece])


def _document(chance: random.Random, depth: int) -> Any:
    if depth and chance.random() < INNER_SHARE:
        inner = [_document(chance, depth - 1) for _ in range(chance.randint(0, 3))]
        return inner if chance.random() < LIST_SHARE else {_text(chance)[:8]: one for one in inner}
    leaves = (None, True, False, 0, -1, 2**70, 1e308, float("nan"), float("-inf"), "", "x", chance.random())
    return chance.choice((chance.choice(leaves), _text(chance)))


class Sentinel:
    """A file that no test may make."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "SENTINEL-was-run"

    def within(self, text: str) -> str:
        """Return a text with this file in place of the word."""
        return text.replace("SENTINEL", str(self.file))

    def check(self) -> None:
        """Fail when something has made it."""
        assert not self.file.exists(), "a value from outside was run as a command"


def every_call(count: int, first: int = 0, step: int = 1) -> range:
    """Return the calls of a run at which something happens: all below `count`, fewer in `make check`."""
    return range(first, count, step * _STEP)


def often(usually: int, in_soak: int) -> int:
    """Return how often something slow is tried: `in_soak` times in `make soak`."""
    return in_soak if MANY >= _SOAK else usually
