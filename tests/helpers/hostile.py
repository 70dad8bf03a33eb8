"""Hostile values for what Kiln and emrbox read from outside: strategies, and a sentinel that must not appear.

`make test` tries each boundary with 2,000 values, `make soak` with 10,000.
"""

from __future__ import annotations

import os
import string
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hypothesis.strategies import SearchStrategy

MANY = int(os.environ.get("HOSTILE_EXAMPLES", "2000"))

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


def many(test: Callable[..., Any]) -> Callable[..., Any]:
    """Try a test with as many values as this run asks for; `make soak` asks for more."""
    marked: Callable[..., Any] = pytest.mark.soak(settings(max_examples=MANY)(test))
    return marked


def texts(*ordinary: str) -> SearchStrategy[str]:
    """Return texts that mean harm, alone and within ordinary ones; `SENTINEL` stands for a path."""
    bad = st.sampled_from([*COMMANDS, *PLACES, *SIGNS])
    usual = st.sampled_from([*ordinary, "a", "model_building", "run-1"])
    anything = st.text(st.characters(codec=None), max_size=40)
    plain = st.text(string.ascii_letters + string.digits + "_.:+=@-/ {}%$;'\"", max_size=40)
    long = st.builds(
        lambda text, times: text * times, st.sampled_from(["a", "{{", "é", "/"]), st.integers(100, 5000)
    )
    mixed = st.lists(st.one_of(bad, usual, plain), min_size=1, max_size=4).map("".join)
    return st.one_of(bad, mixed, anything, plain, usual, long)


def documents() -> SearchStrategy[Any]:
    """Return JSON values of any shape, with texts that mean harm in them."""
    leaves = st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.sampled_from([2**70, -1, 1e308]), texts()
    )
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)
        ),
        max_leaves=12,
    )


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
