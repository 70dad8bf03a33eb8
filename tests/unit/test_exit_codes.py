from __future__ import annotations

from pathlib import Path

import kiln.errors
from kiln import exit_codes

DOCUMENT = Path(__file__).resolve().parents[2] / "docs/exit_codes.md"


def test_the_document_is_printed_from_the_table() -> None:
    assert DOCUMENT.read_text() == exit_codes.markdown(), (
        "run: python -m kiln.exit_codes > docs/exit_codes.md"
    )


def test_every_code_is_explained_once() -> None:
    assert [row.code for row in exit_codes.TABLE] == list(exit_codes.ExitCode)


def test_every_error_has_a_code_of_the_table() -> None:
    def below(kind: type[kiln.errors.KilnError]) -> list[type[kiln.errors.KilnError]]:
        return [kind, *(found for child in kind.__subclasses__() for found in below(child))]

    assert all(kind.exit_code in exit_codes.NAMES for kind in below(kiln.errors.KilnError))
