"""Options are made from the model: a new field needs nothing else to be an option of its module."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import Meta

from kiln.ansible_modules import options
from kiln.ansible_modules.model_options import argument_spec, options_of, required
from kiln.settings.fields import Model, doc
from kiln.settings.model import BootstrapAction, ClusterShape, StepSettings


class Example(Model, frozen=True, kw_only=True):
    """One field of each kind."""

    name: Annotated[str, Meta(min_length=1), doc("A name.")]
    api_key: Annotated[str, doc("Looks like a secret.")] = ""
    count: Annotated[Annotated[int, Meta(ge=0)], doc("A count.")] = 0
    share: float = 0.5
    is_on: bool = False
    word: Literal["a", "b"] = "a"
    limit: Annotated[int | None, doc("May be left out.")] = None
    texts: tuple[str, ...] = ()
    mapping: dict[str, str] = msgspec.field(default_factory=dict)
    documents: tuple[dict[str, Any], ...] = ()
    actions: Annotated[tuple[BootstrapAction, ...], Meta(max_length=3)] = ()


FOUND = options_of(Example)


@pytest.mark.parametrize(
    ("name", "option"),
    [
        ("name", {"type": "str", "required": True, "description": "A name."}),
        ("count", {"type": "int", "default": 0, "description": "A count."}),
        ("share", {"type": "float", "default": 0.5, "description": ""}),
        ("is_on", {"type": "bool", "default": False, "description": ""}),
        ("word", {"type": "str", "choices": ["a", "b"], "default": "a", "description": ""}),
        ("limit", {"type": "int", "description": "May be left out."}),
        ("texts", {"type": "list", "elements": "str", "default": [], "description": ""}),
        ("mapping", {"type": "dict", "default": {}, "description": ""}),
        ("documents", {"type": "list", "elements": "dict", "default": [], "description": ""}),
    ],
)
def test_a_field_is_an_option(name: str, option: dict[str, Any]) -> None:
    assert FOUND[name] == option


def test_a_list_of_models_has_options_of_its_own() -> None:
    assert FOUND["actions"]["options"] == options_of(BootstrapAction)
    assert required(FOUND["actions"]["options"]) == ["name", "path"]


def test_what_only_looks_like_a_secret_is_not_hidden() -> None:
    spec = argument_spec(FOUND)
    assert spec["api_key"] == {"type": "str", "default": "", "no_log": False}
    assert spec["actions"]["options"]["path"]["no_log"] is False


def test_a_launch_requires_what_the_model_requires_and_an_end_does_not() -> None:
    ((_, state, names),) = options.CLUSTER_REQUIRED_IF
    assert state == "present"
    assert set(names) == {"run_id", "owner", *required(options_of(ClusterShape))}
    assert not any(options.CLUSTER[name].get("required") for name in names)


@pytest.mark.parametrize("model", [ClusterShape, StepSettings, BootstrapAction])
def test_every_field_that_people_set_is_described(model: type[Model]) -> None:
    assert [
        name for name, option in options_of(model).items() if not option["description"].endswith(".")
    ] == []
