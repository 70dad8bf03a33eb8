"""The words of a statement in Hive's DDL, read one after the other.

Athena User Guide, "DDL statements": keywords have no case, names may stand in backquotes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlglot.dialects.hive import Hive
from sqlglot.errors import TokenError
from sqlglot.tokenizer_core import Token, TokenType

from emrbox.athena.problems import invalid_request

if TYPE_CHECKING:
    from emrbox.aws.errors import AwsError

_SPACE = r"(?:\s|--[^\n]*(?:\n|$)|/\*.*?\*/)"
FIRST = re.compile(rf"{_SPACE}*([A-Za-z]+)(?:{_SPACE}+([A-Za-z]+))?", re.DOTALL)
NUMBER = re.compile(r"-?\d+(\.\d+)?")


def first_words(text: str) -> tuple[str, str]:
    """Return the first two words of a statement, in capitals; '' for what is no word."""
    found = FIRST.match(text)
    return (found[1].upper(), (found[2] or "").upper()) if found else ("", "")


class Words:
    """Reads a statement from its second word on. What does not fit is InvalidRequestException."""

    def __init__(self, text: str) -> None:
        start = FIRST.match(text)
        first = start.end(1) if start else 0
        # sqlglot's tokenizer takes all that follows some first words, as SHOW, for one text.
        self._text = text[first:]
        try:
            self._tokens: list[Token] = Hive().tokenize(self._text)
        except TokenError as problem:
            raise invalid_request(f"line 1:1: {problem}", "MALFORMED_QUERY") from None
        if self._tokens and self._tokens[-1].token_type is TokenType.SEMICOLON:
            del self._tokens[-1]
        self._next = 0
        self._lines_before = text[:first].count("\n")

    def take(self, *words: str) -> bool:
        """Go past these words, if they are the next ones."""
        found = self._tokens[self._next : self._next + len(words)]
        fits = [token.text.upper() for token in found if token.token_type is not TokenType.STRING]
        if fits != list(words):
            return False
        self._next += len(words)
        return True

    def expect(self, *words: str) -> None:
        """Go past these words, which must be the next ones."""
        if not self.take(*words):
            raise self._mismatch(" ".join(words))

    def name(self) -> str:
        """Return a name in small letters."""
        token = self._token()
        if token is None or token.token_type is TokenType.STRING or not re.fullmatch(r"[\w$-]+", token.text):
            raise self._mismatch("a name")
        self._next += 1
        return token.text.lower()

    def table(self) -> tuple[str | None, str]:
        """Return database, None where it is not said, and name of a table."""
        name = self.name()
        return (name, self.name()) if self.take(".") else (None, name)

    def string(self) -> str:
        """Return a quoted text."""
        token = self._token()
        if token is None or token.token_type is not TokenType.STRING:
            raise self._mismatch("a text in quotes")
        self._next += 1
        return str(token.text)

    def value(self) -> str:
        """Return a quoted text, or a number as it is written."""
        token = self._token()
        if token is not None and NUMBER.fullmatch(token.text) and token.token_type is not TokenType.STRING:
            self._next += 1
            return str(token.text)
        return self.string()

    def pairs(self) -> dict[str, str]:
        """Return `('a' = 'b', …)`, or with names instead of quoted texts."""
        found = {}
        self.expect("(")
        while True:
            token = self._token()
            quoted = token is not None and token.token_type is TokenType.STRING
            key = self.string() if quoted else self.name()
            self.expect("=")
            found[key] = self.value()
            if not self.take(","):
                break
        self.expect(")")
        return found

    def is_string(self) -> bool:
        """Return whether a quoted text comes next."""
        token = self._token()
        return token is not None and token.token_type is TokenType.STRING

    def end(self) -> None:
        """Make sure that nothing follows."""
        if self._token() is not None:
            raise self._mismatch("<EOF>")

    def rest(self) -> str:
        """Return what follows as it is written, without the semicolon at its end."""
        token = self._token()
        return "" if token is None else self._text[token.start : self._tokens[-1].end + 1]

    def at_end(self) -> bool:
        """Return whether nothing follows."""
        return self._token() is None

    def _token(self) -> Token | None:
        return self._tokens[self._next] if self._next < len(self._tokens) else None

    def _mismatch(self, expected: str) -> AwsError:
        token = self._token()
        line, column = (1, 1) if token is None else (token.line + self._lines_before, token.col)
        found = "<EOF>" if token is None else token.text[:100]
        text = f"line {line}:{column}: mismatched input '{found}'. Expecting: {expected}"
        return invalid_request(text, "MALFORMED_QUERY")
