"""Values into types: what msgspec refuses is an error of one line with the place, in words of our own."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hostile import documents, many
from hypothesis import given
from hypothesis import strategies as st

from kiln.errors import UsageError
from kiln.settings import typed
from kiln.settings.model import BootstrapAction, ClusterShape, StepSettings, driver_variables

STEPS = tuple[StepSettings, ...]
FIELDS = driver_variables()
ODD = st.sampled_from(
    (None, True, 0, -1, 2**70, 1.5, "", "x", "7", "true", "s3://b/p", [], {}, [1], {"a": 1})
)


def problem(value: Any, kind: Any, key: str = "steps", *, lax: bool = False) -> str:
    with pytest.raises(UsageError) as error:
        typed.convert(value, kind, label="f.yml", key=key, lax=lax)
    assert error.value.fix
    assert error.value.message.startswith("f.yml: ")
    return error.value.message.removeprefix("f.yml: ")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("x", "steps is 'x': expected a list"),
        ([1], "steps[0] is 1: expected a mapping (key: value)"),
        (
            [{"name": "sd", "jar": "j"}, {"name": "S", "jar": "j"}],
            "steps[1].name is 'S': expected small letters",
        ),
        ([{"name": "sd", "command": [""], "jar": 7}], "steps[0].jar is 7: expected text"),
        ([{"name": "sd", "agrs": []}], "steps[0] has an unknown key agrs (did you mean args?)"),
        ([{"jar": "j"}], "steps[0] has no name"),
        ([{"name": "sd", "spark": "x"}], "steps[0].spark is 'x': expected a mapping"),
        ([{"name": "sd", "spark": {"scirpt": "x"}}], "an unknown key scirpt (did you mean script?)"),
        ([{"name": "sd", "spark": {"conf": {"a.b": 1}}}], "the name of a Spark property, spark."),
        (
            [{"name": "sd", "spark": {"conf": {"spark.a": [1]}}}],
            "steps[0].spark.conf.spark.a is [1]: expected text, a number, or true or false",
        ),
        ([{"name": "sd", "command": []}], "steps[0].command is []: expected a list that is not empty"),
        ([{"name": "sd", "command": "ls"}], "steps[0].command is 'ls': expected a list"),
        ([{"name": "sd", "script": {"path": "s3://b"}}], "steps[0].script.path is 's3://b': expected a path"),
        ([{"name": "sd", "jar": "j", "args": ["a", 7]}], "steps[0].args[1] is 7: expected text"),
        (
            [{"name": "sd", "jar": "j", "action_on_failure": "STOP"}],
            "steps[0].action_on_failure is 'STOP': expected CONTINUE or CANCEL_AND_WAIT or TERMINATE_CLUSTER",
        ),
        (
            [{"name": "sd", "jar": "j", "timeout_seconds": 0}],
            "steps[0].timeout_seconds is 0: expected a whole",
        ),
        (
            [{"name": "sd", "jar": "j", "outputs": ["/x"]}],
            "steps[0].outputs[0] is '/x': expected an address like s3://bucket/prefix",
        ),
    ],
)
def test_the_place_and_what_was_expected_are_named(value: Any, words: str) -> None:
    assert words in problem(value, STEPS)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("idle_timeout_seconds", 5, "from 60 to 604800"),
        ("max_lifetime_seconds", 5, "a whole number >= 60"),
        ("bootstrap_actions", [{"name": "x", "path": "s3://b/x"}] * 17, "a list of at most 16"),
        ("tags", {"a": 1}, "tags.a is 1: expected text"),
        ("tags", {1: "a"}, "the key 1 of tags is 1: expected text"),
        ("termination_protected", "yes", "true or false"),
    ],
)
def test_ranges_lengths_and_keys_are_said(field: str, value: Any, words: str) -> None:
    (kind,) = [one.type for one in msgspec.structs.fields(ClusterShape) if one.name == field]
    assert words in problem(value, kind, field)


def test_text_may_stand_for_numbers_where_all_values_are_text() -> None:
    assert typed.convert("7", int, label="-e", key="x", lax=True) == 7
    assert "expected a whole number" in problem("seven", int, "x", lax=True)
    assert "expected a whole number" in problem("7", int, "x")


def test_other_words_of_msgspec_change_no_message(monkeypatch: pytest.MonkeyPatch) -> None:
    before = problem([{"jar": "j"}], STEPS)
    convert = msgspec.convert

    def reworded(value: Any, kind: Any, **options: Any) -> Any:
        try:
            return convert(value, kind, **options)
        except msgspec.ValidationError:
            raise msgspec.ValidationError("some other sentence") from None

    monkeypatch.setattr(msgspec, "convert", reworded)
    assert problem([{"jar": "j"}], STEPS) == before == "steps[0] has no name"


def steps() -> st.SearchStrategy[Any]:
    """Return lists of steps of which some members are odd."""
    keys = [*StepSettings.__struct_fields__, "jra"]
    whole = st.just({"name": "sd", "jar": "j"})
    members = st.dictionaries(st.sampled_from(keys), st.one_of(ODD, documents()), max_size=3)
    return st.lists(st.builds(lambda a, b: a | b, whole, members), max_size=3)


@many
@given(
    value=st.one_of(documents(), ODD, steps()),
    key=st.sampled_from(sorted(FIELDS)),
    place=st.sampled_from(["file", "-e"]),
)
def test_what_msgspec_refuses_is_one_line_and_nothing_else_is_refused(
    value: Any, key: str, place: str
) -> None:
    lax = place == "-e"
    for kind in (FIELDS[key].type, tuple[BootstrapAction, ...], STEPS):
        try:
            expected = msgspec.convert(value, kind, strict=not lax)
        except (msgspec.ValidationError, UnicodeEncodeError):
            text = problem(value, kind, key, lax=lax)
            assert text.isprintable()
            assert len(text) < 600
        else:
            found = typed.convert(value, kind, label="f.yml", key=key, lax=lax)
            assert found == expected or found != found  # noqa: PLR0124  # not a number
