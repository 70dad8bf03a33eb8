"""Kiln's own AMIs of a pipeline in an environment: found by tags, and what the tags say about them.

An image is used only with the tag `kiln_image` = `ready`, which it gets when an instance has booted from it.
Only images of the account itself count: other accounts can share images with any tags.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec

from kiln.identity import MANAGED_BY

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from kiln.aws.context import Context
    from kiln.aws.effects import Image

# Tags of images, and the values of the first.
STATE, FINGERPRINT, BASE_IMAGE = "kiln_image", "fingerprint", "base_image"
CANDIDATE, READY = "candidate", "ready"
# The tag that a bake gives to all that it makes: its run id.
BAKE = "image_bake"
AVAILABLE = "available"


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Whose images, with which fingerprint, made from the newest image of which owner and name pattern."""

    environment: str
    pipeline: str
    fingerprint: str = ""
    base_owner: str = "amazon"
    base_name: str = ""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """The newest image that fits, the base image that a new one would be made from, and notes for people.

    `is_current`: it was made from that base image. Both ids are empty for none.
    """

    image_id: str = ""
    base_image_id: str = ""
    is_current: bool = False
    notes: tuple[str, ...] = ()


def own(context: Context, environment: str, pipeline: str) -> list[Image]:
    """Return the pipeline's images, the newest first. One DescribeImages."""
    found = context.effects.find_images(
        "self",
        {
            "tag:managed_by": [MANAGED_BY],
            "tag:environment": [environment],
            "tag:pipeline": [pipeline],
        },
    )
    return newest_first(one for one in found if one.tags.get(STATE) in {CANDIDATE, READY})


def newest_first(images: Iterable[Image]) -> list[Image]:
    """Return images by age; of two of one second the order is that of their ids."""
    return sorted(images, key=lambda one: (one.created_at, one.id), reverse=True)


def ready(images: Sequence[Image], fingerprint: str) -> list[Image]:
    """Return those that may be launched from, in the order given."""
    return [
        one
        for one in images
        if one.state == AVAILABLE
        and one.tags.get(STATE) == READY
        and one.tags.get(FINGERPRINT) == fingerprint
        and not one.is_public
    ]


def find(context: Context, wanted: Wanted, stale_days: int) -> Found:
    """Return what there is. Costs two DescribeImages."""
    usable = ready(own(context, wanted.environment, wanted.pipeline), wanted.fingerprint)
    bases = context.effects.find_images(wanted.base_owner, {"name": [wanted.base_name], "state": [AVAILABLE]})
    newest = newest_first(bases)[0].id if bases else ""
    if not usable:
        note = (
            f"no image with fingerprint {wanted.fingerprint}: "
            "a launch provisions its nodes live until bake_image has made one"
        )
        return Found(base_image_id=newest, notes=(note,))
    # One made from the newest base image counts more than one that was made later from another.
    chosen = next((one for one in usable if one.tags.get(BASE_IMAGE) == newest), usable[0])
    base = chosen.tags.get(BASE_IMAGE, "")
    notes = []
    if context.clock.now() - chosen.created_at > timedelta(days=stale_days):
        notes.append(
            f"image {chosen.id} is older than {stale_days} days (node_image_stale_days): bake a new one"
        )
    if base not in {one.id for one in bases}:
        notes.append(f"image {chosen.id} was made from {base}, which is gone: bake a new one")
    return Found(image_id=chosen.id, base_image_id=newest, is_current=base == newest, notes=tuple(notes))
