"""Text of others on the terminal: nothing in it is obeyed, nothing is hidden, lines stay lines."""

from __future__ import annotations

import io
import json
import sys
import unicodedata
from typing import Any

import pytest
from fakes import VirtualClock
from hostile import documents, many, texts
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from kiln import printable
from kiln.ansible_modules import answer
from kiln.display import failure, terminal
from kiln.display.bars import Bars
from kiln.display.progress import Lines
from kiln.errors import KilnError

_UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
HOSTILE = "\x1b[2J\x07\r\x9b31m\u202e\u2028\u200b\ud800\nx [bold]y[/] :smile: \\"


def unseen(text: str) -> set[str]:
    return {sign for sign in text if unicodedata.category(sign) in _UNSEEN}


def test_every_control_and_format_character_of_unicode_is_escaped() -> None:
    everything = "".join(map(chr, range(sys.maxunicode + 1)))
    assert unseen(printable.text_of(everything)) == {"\n", "\t"}
    assert unseen(printable.line_of(everything)) == {"\t"}


def test_what_can_be_seen_stays_as_it_is() -> None:
    text = "✔ é 名 🔥 \t [bold] \\x1b"
    assert printable.line_of(text) == text


@many
@given(texts())
def test_no_control_character_leaves_as_text(text: str) -> None:
    assert unseen(printable.text_of(text)) <= {"\n", "\t"}
    assert unseen(printable.line_of(text)) <= {"\t"}
    # A second pass, as when a module's message comes through kiln, changes nothing.
    assert printable.line_of(printable.line_of(text)) == printable.line_of(text)


def as_json_has_it(value: Any) -> Any:
    """Return a value as JSON holds it: text is UTF-16, and there are no infinite numbers."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
    if isinstance(value, float):
        return value if value - value == 0 else None
    if isinstance(value, list):
        return [as_json_has_it(inner) for inner in value]
    if isinstance(value, dict):
        return {as_json_has_it(key): as_json_has_it(inner) for key, inner in value.items()}
    return value


@many
@given(documents())
def test_json_is_one_plain_line_and_means_the_same(document: Any) -> None:
    line = printable.json_of({"document": document})
    assert line.isascii()
    assert not unseen(line)
    assert json.loads(line, parse_constant=pytest.fail)["document"] == as_json_has_it(document)


@settings(max_examples=200)  # rich draws slowly; what it draws went through line_of
@given(texts(), texts())
def test_bars_draw_hostile_text_as_it_stands(text: str, note: str) -> None:
    screen = io.StringIO()
    console = Console(file=screen, width=100, force_terminal=False)
    bars = Bars(VirtualClock(), {}, ["launch"], console)
    with bars.phase("launch"):
        bars.line(text)
        bars.now(note)
    bars.close()
    shown = screen.getvalue()
    assert unseen(shown) <= {"\n", "\t"}
    if "\t" not in text:
        # soft_wrap: the line is whole. Rich itself drops blanks at its end.
        assert printable.line_of(text).rstrip() in shown


def test_a_log_of_changes_has_one_line_a_change(capsys: pytest.CaptureFixture[str]) -> None:
    Lines(VirtualClock(), {}).line(HOSTILE)
    shown = capsys.readouterr().err
    assert unseen(shown) == {"\n"}
    assert shown.count("\n") == 1


def test_an_error_keeps_its_lines_apart(capsys: pytest.CaptureFixture[str]) -> None:
    failure.show(KilnError(HOSTILE, details=(HOSTILE, "b"), fix=HOSTILE))
    shown = capsys.readouterr().err
    assert unseen(shown) == {"\n"}
    assert shown.count("\n") == 4


def test_a_modules_failure_is_safe_to_print(monkeypatch: pytest.MonkeyPatch) -> None:
    class Module:
        def __init__(self) -> None:
            self.params = {"aws_config_file": "", "region": "us-east-1", "profile": ""}
            self.shown: dict[str, Any] = {}

        def fail_json(self, **shown: Any) -> None:
            self.shown = shown

    def work(*_: Any) -> Any:
        raise KilnError(HOSTILE, details=(HOSTILE,), fix=HOSTILE)

    module = Module()
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    answer.answer(module, work)
    assert unseen(module.shown["msg"]) == {"\n"}
    assert module.shown["msg"].count("\n") == 2
    fields = [module.shown["message"], module.shown["fix"], *module.shown["details"]]
    assert not unseen("".join(fields))


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_a_locale_without_the_characters_is_no_error(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=encoding))
    terminal.out("✔ 名")
    terminal.out_json({"a": "✔ 名"})
    text, line = raw.getvalue().decode(encoding).splitlines()
    assert text in {"✔ 名", "\\u2714 \\u540d"}
    assert json.loads(line) == {"a": "✔ 名"}


@given(st.text(max_size=20))
def test_lines_of_logs_stay_lines(text: str) -> None:
    assert printable.text_of(text).count("\n") == text.count("\n")
