"""Which names are allowed: they become groups of Ansible, tags, S3 keys, folders and file names at once."""

from __future__ import annotations

import difflib
import re
from datetime import date
from typing import TYPE_CHECKING

from kiln import identity, run_ids
from kiln.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

# `\Z`: for Python `$` also stands before a newline at the end.
PATTERN = rf"^{identity.NAME.pattern}\Z"
WORDS = "small letters, digits and _, a letter first, at most 40"
FOLDER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
FOLDER_OR_NOTHING = r"^(?:[A-Za-z0-9_][A-Za-z0-9_.-]{0,99})?\Z"
FOLDER_WORDS = "the name of a folder: letters, digits and _ . -, at most 100, not beginning with . or -"
_BRANCH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./+=@-]{0,199}")
_SHOWN = 60


def check(kind: str, name: str, label: str = "") -> str:
    """Return the name of a pipeline or environment. Raises UsageError; `label` says where it stands."""
    if not identity.NAME.fullmatch(name):
        place = f"{label}: " if label else ""
        raise UsageError(f"{place}the {kind} name {shown(name)} cannot be used", fix=f"take {WORDS}")
    return name


def check_run_id(run_id: str) -> str:
    """Return the run id. Raises UsageError."""
    return run_ids.given(run_id, {}) or ""


def check_date(text: str) -> str:
    """Return the date, YYYY-MM-DD. Raises UsageError."""
    try:
        same = date.fromisoformat(text).isoformat() == text
    except ValueError:
        same = False
    if not same:
        raise UsageError(f"the date {shown(text)} is none", fix="YYYY-MM-DD")
    return text


def check_branch(text: str) -> str:
    """Return the name of a branch that a caller of Kiln's may choose. Raises UsageError.

    Git allows more (model_repo/versions.py); this has no sign that begins a template or an option.
    """
    if not _BRANCH.fullmatch(text):
        raise UsageError(
            f"the branch {shown(text)} cannot be used",
            fix="letters, digits and _ . / + = @ - only, at most 200, and a letter, digit or _ first",
        )
    return text


def shown(text: str) -> str:
    """Return a value from outside for a message: quoted, in ASCII, short. An ordinary word stays as it is."""
    if re.fullmatch(r"[\w.-]{1,60}", text, re.ASCII):
        return text
    quoted = ascii(text)
    return quoted if len(quoted) <= _SHOWN else f"{quoted[: _SHOWN - 3]}..."


def below(place: str, key: object) -> str:
    """Return the place of a member of a mapping, such as `steps[0].name`."""
    shown_key = shown(str(key))
    return f"{place}.{shown_key}" if place else shown_key


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ` (did you mean x?)` or nothing."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.7)
    return f" (did you mean {close[0]}?)" if close else ""
