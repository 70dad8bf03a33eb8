"""Values into the types of the model, with errors that name the place inside: `steps[1].name`.

msgspec converts and decides what is valid; its messages are not used. The place and the words come from
walking the value along its type, so that another version of msgspec cannot change them.
"""

from __future__ import annotations

import types
from datetime import date
from functools import cache
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Literal,
    NamedTuple,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
)

import msgspec
from msgspec import Meta

from kiln.errors import UsageError
from kiln.settings import names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from msgspec.structs import FieldInfo

T = TypeVar("T")

_SHOWN = 60
# The second: text with half a surrogate pair, where a constraint makes msgspec read it.
_REFUSED = (msgspec.ValidationError, UnicodeEncodeError)
WORDS: dict[Any, str] = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    date: "a date, YYYY-MM-DD",
    list: "a list",
    dict: "a mapping (key: value)",
    Any: "a value",
    # The only union of several types: a scalar (settings.fields).
    types.UnionType: "text, a number, or true or false",
}


class Problem(NamedTuple):
    """What is wrong at a place, such as `steps[0].name`, and how to correct it."""

    place: str
    text: str
    fix: str


def convert(value: Any, kind: type[T], *, label: str, key: str = "", lax: bool = False) -> T:
    """Return a value in its type. Raises UsageError: `label: key… is VALUE: expected …`.

    `lax`: the value was given as key=value, so that text may stand for numbers and booleans.
    """
    try:
        return msgspec.convert(value, kind, strict=not lax)
    except _REFUSED:
        found = problems(value, kind, label=label, key=key, lax=lax)[0]
    raise UsageError(f"{label}: {found.text}", fix=found.fix) from None


def problems(value: Any, kind: Any, *, label: str, key: str = "", lax: bool = False) -> list[Problem]:
    """Return all that keeps a value from being converted, in the order in which it stands there."""
    if _is_valid(value, kind, lax=lax):
        return []
    # No problem is found where msgspec refuses what this module takes for good: then the whole is named.
    whole = Problem(key, _expected(key or label, value, kind), f"correct {key or 'it'} there")
    return list(_problems(value, kind, key, lax=lax)) or [whole]


def shown(value: Any) -> str:
    """Return a value as a short text."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


def _problems(value: Any, kind: Any, place: str, *, lax: bool) -> Iterator[Problem]:
    """Yield what is wrong with a value, from outside in."""
    if _is_valid(value, kind, lax=lax):
        return
    base, metas = _parts(kind)
    inner = _inner(value, base, place)
    if inner is None:
        yield Problem(place, _expected(place, value, kind), f"correct {place or 'it'} there")
        return
    if isinstance(base, type) and issubclass(base, msgspec.Struct):
        yield from _wrong_keys(value, base, place)
    wrong_names = list(_wrong_names(value, base, place, lax=lax))
    yield from wrong_names
    found = [more for one, inner_kind, where in inner for more in _problems(one, inner_kind, where, lax=lax)]
    yield from found
    if metas and not found and not wrong_names:
        yield Problem(place, _expected(place, value, kind), f"correct {place or 'it'} there")


def _is_valid(value: Any, kind: Any, *, lax: bool) -> bool:
    try:
        msgspec.convert(value, kind, strict=not lax)
    except _REFUSED:
        return False
    return True


def _parts(kind: Any) -> tuple[Any, list[Meta]]:
    """Return a type without its constraints and without None, and the constraints."""
    metas: list[Meta] = []
    while True:
        if get_origin(kind) is Annotated:
            kind, *more = get_args(kind)
            metas += [one for one in more if isinstance(one, Meta)]
        elif get_origin(kind) in {Union, types.UnionType}:
            others = [one for one in get_args(kind) if one is not type(None)]
            if len(others) > 1:
                return kind, metas
            (kind,) = others
        else:
            return kind, metas


def _inner(value: Any, base: Any, place: str) -> list[tuple[Any, Any, str]] | None:
    """Return the values in a value with their types and places; None when it cannot be entered."""
    if isinstance(base, type) and issubclass(base, msgspec.Struct):
        fields = {one.encode_name: one.type for one in _fields(base)}
        return _members(value, fields, place)
    if get_origin(base) is tuple and isinstance(value, list | tuple):
        item = get_args(base)[0]
        return [(one, item, f"{place}[{index}]") for index, one in enumerate(value)]
    if get_origin(base) is dict and isinstance(value, dict):
        _, item = get_args(base)
        return [(one, item, names.below(place, key)) for key, one in value.items()]
    return None


@cache
def _fields(model: type[msgspec.Struct]) -> tuple[FieldInfo, ...]:
    """Return a model's fields, for which msgspec evaluates its annotations each time that it is asked."""
    return msgspec.structs.fields(model)


def _wrong_names(value: Any, base: Any, place: str, *, lax: bool) -> Iterator[Problem]:
    """Yield what is wrong with the keys of a mapping whose keys have a type."""
    if get_origin(base) is dict:
        kind, _ = get_args(base)
        for key in value:
            for problem in _problems(key, kind, f"the key {names.shown(str(key))} of {place}", lax=lax):
                yield problem._replace(place=names.below(place, key))


def _members(value: Any, fields: dict[str, Any], place: str) -> list[tuple[Any, Any, str]] | None:
    if not isinstance(value, dict):
        return None
    return [(value[name], kind, names.below(place, name)) for name, kind in fields.items() if name in value]


def _wrong_keys(value: dict[Any, Any], base: type[msgspec.Struct], place: str) -> Iterator[Problem]:
    fields = _fields(base)
    known = [one.encode_name for one in fields]
    where = f"{place} has" if place else "there is"
    for key in value:
        if key not in known:
            text = f"an unknown key {names.shown(str(key))}{names.did_you_mean(str(key), known)}"
            yield Problem(names.below(place, key), f"{where} {text}", "correct it there")
    for one in fields:
        if one.required and one.encode_name not in value:
            yield Problem(place, f"{where} no {one.encode_name}", f"add {one.encode_name} there")


def _expected(place: str, value: Any, kind: Any) -> str:
    return f"{place or 'it'} is {shown(value)}: expected {_words(kind)}"


def _words(kind: Any) -> str:
    """Return what a value of a type has to be; a constraint's title says it in place of its pattern."""
    base, metas = _parts(kind)
    if get_origin(base) is Literal:
        return " or ".join(str(one) for one in get_args(base))
    origin = get_origin(base) or base
    if isinstance(origin, type) and issubclass(origin, msgspec.Struct):
        origin = dict
    what = WORDS[list if origin is tuple else origin]
    for meta in metas:
        what = meta.title or what + _bounds(cast("Any", meta))
    return what


def _bounds(meta: Any) -> str:
    if meta.ge is not None and meta.le is not None:
        return f" from {meta.ge} to {meta.le}"
    limits = {" >= ": meta.ge, " > ": meta.gt, " <= ": meta.le, " < ": meta.lt}
    text = "".join(f"{sign}{limit}" for sign, limit in limits.items() if limit is not None)
    if meta.min_length:
        text += " that is not empty" if meta.min_length == 1 else f" of at least {meta.min_length}"
    return text + (f" of at most {meta.max_length}" if meta.max_length is not None else "")
