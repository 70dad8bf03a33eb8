"""The module node_image: find a pipeline's image, publish or discard a new one, prune the old ones."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from kiln.errors import UsageError
from kiln.images import catalogue, definition, publishing
from kiln.images.catalogue import Wanted
from kiln.settings import names

if TYPE_CHECKING:
    from collections.abc import Callable

    from kiln.ansible_modules.options import Options
    from kiln.aws.context import Context

_IMAGE_ID = re.compile(r"ami-[0-9a-f]{8,17}")


def work(context: Context, module: Any) -> Options:
    """Do what `state` says."""
    options = module.params
    wanted = Wanted(
        environment=names.check("environment", options["environment"]),
        pipeline=names.check("pipeline", options["pipeline"]),
        fingerprint=_fingerprint(options),
        base_owner=options["base_owner"],
        base_name=options["base_name"],
    )
    return _STATES[options["state"]](context, module, wanted) | {"fingerprint": wanted.fingerprint}


def _fingerprint(options: Options) -> str:
    return definition.fingerprint(options["definition"], Path(options["checkout"]), options["sources"])


def _find(context: Context, module: Any, wanted: Wanted) -> Options:
    found = catalogue.find(context, wanted, module.params["stale_days"])
    return {"changed": False, **msgspec.to_builtins(found)}


def _publish(context: Context, module: Any, wanted: Wanted) -> Options:
    image_id = _given(module)
    if module.check_mode:
        return {"changed": True, "image_id": image_id, "is_own": True}
    used, is_own = publishing.publish(context, wanted, image_id)
    return {"changed": is_own, "image_id": used, "is_own": is_own}


def _discard(context: Context, module: Any, wanted: Wanted) -> Options:
    image_id = _given(module)
    return {"changed": module.check_mode or publishing.discard(context, wanted, image_id)}


def _prune(context: Context, module: Any, wanted: Wanted) -> Options:
    left = publishing.superfluous(context, wanted, module.params["kept"])
    if not module.check_mode:
        for image in left:
            publishing.remove(context, image)
    removed = [{"id": one.id, "name": one.name} for one in left]
    return {"changed": bool(left), "removed": removed, "diff": {"before": {"images": removed}, "after": {}}}


def _given(module: Any) -> str:
    image_id = str(module.params["image_id"] or "")
    if not _IMAGE_ID.fullmatch(image_id):
        raise UsageError(f"image_id is {names.shown(image_id)}: no id of an image", fix="give ami-…")
    return image_id


_STATES: dict[str, Callable[[Context, Any, Wanted], Options]] = {
    "found": _find,
    "published": _publish,
    "discarded": _discard,
    "pruned": _prune,
}
