"""The check of data without Spark: what is wrong is named in one line, whatever the data holds."""

from __future__ import annotations

from typing import Any

import pytest
from hostile import many, texts
from hypothesis import given
from hypothesis import strategies as st

from kiln.diagnosis import matching
from kiln.diagnosis.signs import DRIVER
from kiln.settings import step_jars, typed
from kiln.settings.model import StepSettings
from kiln.step_programs import catalogue, check_data

PATH = "s3://data/daily/date=2026-11-20/"


def spec(**fields: Any) -> dict[str, Any]:
    return {
        "path": PATH,
        "columns": {},
        "null_share": {},
        "least_rows": 1,
        "most_rows": None,
        "days_before": 0,
        "row_change": 0.5,
        "source": "",
    } | fields


def measured(**fields: Any) -> dict[str, Any]:
    return {"rows": 100, "columns": {}, "nulls": {}, "earlier_rows": {}} | fields


@pytest.mark.parametrize(
    ("declared", "found", "words"),
    [
        ({}, {}, []),
        ({"null_share": {"a": 0.1, "*": 0}}, {"nulls": {"a": 10, "b": 0}}, []),
        (
            {"null_share": {"*": 0.1}},
            {"nulls": {"b": 11}},
            ["column b is null in 11 % of 100 rows, at most 10 %"],
        ),
        ({"null_share": {"a": 1}}, {}, ["column a of null_share is missing"]),
        ({"null_share": {"*": 0}}, {"rows": 0, "nulls": {"a": 0}}, ["0 rows, at least 1 expected"]),
        ({"most_rows": 99}, {}, ["100 rows, at most 99 expected"]),
        ({"days_before": 2}, {"earlier_rows": {"x": 60, "y": 80}}, []),
        (
            {"days_before": 2},
            {"earlier_rows": {"x": 400}},
            ["the mean of 1 earlier days is 400: changed by 75 %"],
        ),
        ({"source": "s3://in/"}, {"source_rows": 103, "set_aside_rows": 3}, []),
        (
            {"source": "s3://in/"},
            {"source_rows": 9, "set_aside_rows": 3},
            ["and 3 set aside, but 9 in s3://in/"],
        ),
    ],
)
def test_each_check_names_what_it_found_and_what_it_expected(
    declared: dict[str, Any], found: dict[str, Any], words: list[str]
) -> None:
    problems = check_data.problems(spec(**declared), measured(**found))
    assert len(problems) == len(words)
    assert all(word in problem for word, problem in zip(words, problems, strict=True)), problems


@many
@given(names=st.lists(texts(), max_size=4), path=texts())
def test_what_is_wrong_is_one_line_that_diagnosis_knows(names: list[str], path: str) -> None:
    kinds = {name: name for name in names}
    nulls = dict.fromkeys(names, 50)
    wrong = spec(
        path=path or "x", columns={"a": "int"} | dict.fromkeys(names[:1], "int"), null_share={"*": 0}
    )
    problems = check_data.problems(wrong, measured(columns=kinds, nulls=nulls))
    line = check_data.failure_line(wrong, problems)
    assert line.isprintable()
    found = matching.in_error(f"noise\n{line}\n", DRIVER)
    assert found is not None
    assert found.kind == "data_check"
    assert found.headline.startswith("check_data: ")


def test_the_days_before_a_path_are_the_folders_beside_it() -> None:
    assert check_data.earlier_days("s3://x/y/date=2026-03-01/", 2) == [
        "s3://x/y/date=2026-02-28",
        "s3://x/y/date=2026-02-27",
    ]
    assert check_data.earlier_days("s3://x/no_day", 0) == []


def test_the_program_lies_where_nodes_can_read_it_under_the_hash_of_its_content() -> None:
    rows = [{"name": "check", "check_data": {"path": PATH, "report": "s3://data/reports/x/"}}]
    settings = typed.convert(rows, tuple[StepSettings, ...], label="f.yml", key="steps")
    place = catalogue.folder("s3://state/kiln", "prod")
    terms = step_jars.Terms("us-east-1", programs=place)
    (step,) = step_jars.resolved(settings, terms, lambda one: one)
    ((address, body),) = catalogue.named_in(step.args).items()
    assert address.startswith("s3://state/kiln/nodes/prod/program/")
    assert address.endswith("-check_data.py")
    assert b"def problems(" in body
    assert step.args[:3] == ("spark-submit", "--deploy-mode", "client")
    assert step.outputs == ("s3://data/reports/x/",)
    assert not catalogue.named_in(["s3://state/x/0-check_data.py", *map(str, range(3))])
