"""Secrets in plain text in settings: found by their form, or by the name of the key that holds them.

No message shows a value.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from kiln.settings import names
from kiln.settings.yaml_files import Tagged

if TYPE_CHECKING:
    from collections.abc import Iterator

FIX = "put it into the vault, name it in node_secrets_values, and read it from the secrets file in the job"
# Forms of secrets, and what each is.
_FORMS = {
    "an AWS access key": re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY"),
    "a password in an address": re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s/:@{}]*:[^\s/@{}]+@"),
    "a token of GitHub": re.compile(r"\b(?:gh[pousr]_|github_pat_)[A-Za-z0-9_]{20,}"),
    "a webhook of Slack": re.compile(r"https://hooks\.slack\.com/services/[A-Z0-9]+/"),
}
# Ends of names whose value is a secret; not `…_password_file` or `…-secret-name`.
_NAME = re.compile(
    r"(?:^|[_.-])(?:password|passwd|passphrase|secret|token|(?:api|access|secret|private)[_.-]?key)\Z",
    re.IGNORECASE,
)
_OPTION = re.compile(r"--?(?P<name>[A-Za-z][A-Za-z0-9_.-]*)(?:=(?P<value>.*))?", re.DOTALL)


def found_in(key: str, value: Any) -> Iterator[tuple[str, str]]:
    """Yield the place of each secret, and what it looks like."""
    pending = [(key, key, value)]
    seen = set[int]()
    while pending:
        place, name, one = pending.pop(0)
        if isinstance(one, dict | list):
            if id(one) in seen:
                continue
            seen.add(id(one))
        if isinstance(one, dict):
            pending += [(names.below(place, inner), str(inner), more) for inner, more in one.items()]
        elif isinstance(one, list):
            pending += [(f"{place}[{at}]", _name_at(one, at), more) for at, more in enumerate(one)]
        else:
            what = _looks_like(name, one)
            if what:
                yield place, what


def _name_at(words: list[Any], at: int) -> str:
    """Return the name of the option whose value a word of a list is: `--name value`."""
    before = _OPTION.fullmatch(words[at - 1]) if at and isinstance(words[at - 1], str) else None
    return before["name"] if before and before["value"] is None else ""


def _looks_like(name: str, value: Any) -> str:
    if isinstance(value, Tagged) or value is None or isinstance(value, bool):
        return ""
    text = str(value)
    option = _OPTION.fullmatch(text)
    if option and option["value"] is not None:
        name, text = option["name"], option["value"]
    elif option and not _NAME.search(name):
        name = ""
    for what, form in _FORMS.items():
        if form.search(text):
            return what
    # A template is a reference; what it may refer to is checked elsewhere (secret_references).
    return "a secret" if text and "{{" not in text and _NAME.search(name) else ""
