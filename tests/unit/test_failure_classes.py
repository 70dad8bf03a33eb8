from __future__ import annotations

from pathlib import Path

from kiln import failure_classes
from kiln.exit_codes import ExitCode
from kiln.failure_classes import OF, TABLE, FailureClass

PAGE = Path(__file__).resolve().parents[2] / "docs/failure_classes.md"


def test_every_class_has_one_row() -> None:
    assert sorted(row.name.value for row in TABLE) == sorted(one.value for one in FailureClass)


def test_no_class_of_failures_has_the_exit_code_of_a_success() -> None:
    assert not [row.name for row in TABLE if row.exit_code in {ExitCode.OK, ExitCode.SKIP}]


def test_what_a_person_caused_is_never_tried_again() -> None:
    own = (FailureClass.USER_CODE, FailureClass.VALIDATION, FailureClass.PERMISSION, FailureClass.CANCELLED)
    assert not [one for one in own if OF[one].new_cluster]


def test_the_page_is_printed_from_the_table() -> None:
    assert PAGE.read_text() == failure_classes.markdown(), "run: make docs"
