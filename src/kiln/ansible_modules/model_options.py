"""Options of Ansible modules and roles, made from the fields of the typed model."""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
from msgspec import Meta

if TYPE_CHECKING:
    from kiln.settings.fields import Model

Options = dict[str, Any]

_KINDS = {str: "str", int: "int", float: "float", bool: "bool"}


def options_of(model: type[Model]) -> Options:
    """Return name -> option of each field of a model, as argument_specs and DOCUMENTATION write them.

    An option has a description, a type, and what the field says: required or default, choices, elements,
    options of its own.
    """
    return {field.encode_name: _option(field) for field in msgspec.structs.fields(model)}


def argument_spec(options: Options, *, optional: bool = False) -> Options:
    """Return options as AnsibleModule takes them. `optional`: none is required by itself."""
    found = {}
    for name, option in options.items():
        spec = {key: value for key, value in option.items() if key != "description"}
        if optional:
            spec.pop("required", None)
        if "options" in spec:
            spec["options"] = argument_spec(spec["options"])
        # Ansible takes names with `key` in them for secrets; none of these is one.
        found[name] = spec | {"no_log": False}
    return found


def required(options: Options) -> list[str]:
    """Return the names of the options that have to be given."""
    return [name for name, option in options.items() if option.get("required")]


def _option(field: msgspec.structs.FieldInfo) -> Options:
    base, description = _plain(field.type)
    option = {"description": description} | _type(base)
    if field.required:
        return option | {"required": True}
    default = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    default = list(default) if isinstance(default, tuple) else default
    default = {} if isinstance(default, msgspec.Struct) else default  # each of its options has its own
    return option if default is None else option | {"default": default}


def _plain(kind: Any) -> tuple[Any, str]:
    """Return a type without constraints and without None, and its documentation."""
    description = ""
    while True:
        if get_origin(kind) is Annotated:
            kind, *metas = get_args(kind)
            texts = [one.description for one in metas if isinstance(one, Meta) and one.description]
            description = description or "".join(texts)
        elif get_origin(kind) in {Union, types.UnionType}:
            (kind,) = [one for one in get_args(kind) if one is not type(None)]
        else:
            return kind, description


def _type(base: Any) -> Options:
    if get_origin(base) is Literal:
        return {"type": "str", "choices": list(get_args(base))}
    if get_origin(base) is dict:
        return {"type": "dict"}
    if get_origin(base) is tuple:
        item, _ = _plain(get_args(base)[0])
        if isinstance(item, type) and issubclass(item, msgspec.Struct):
            return {"type": "list", "elements": "dict", "options": options_of(item)}  # type: ignore[arg-type]  # all of them are models
        return {"type": "list", "elements": _type(item)["type"]}
    if isinstance(base, type) and issubclass(base, msgspec.Struct):
        return {"type": "dict", "options": options_of(base)}  # type: ignore[arg-type]  # all of them are models
    return {"type": _KINDS[base]}
