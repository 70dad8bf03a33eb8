"""An image's way from its bake to its end: candidate, ready, removed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kiln.emr import clusters, tags
from kiln.errors import PlaybookError
from kiln.identity import MANAGED_BY
from kiln.images import catalogue
from kiln.images.catalogue import BASE_IMAGE, FINGERPRINT, READY, STATE

if TYPE_CHECKING:
    from collections.abc import Collection

    from kiln.aws.context import Context
    from kiln.aws.effects import Image
    from kiln.images.catalogue import Wanted


def publish(context: Context, wanted: Wanted, image_id: str) -> tuple[str, bool]:
    """Let launches use an image that was tested; return the image to use, and whether it is this one.

    When another bake has published one with the same fingerprint and base image, the older of the two stays
    and the other is removed: whoever looks later sees both, so at least one of two bakes at once does.
    Raises PlaybookError for an image that must not be used: shared, not encrypted, or not this bake's.
    """
    image = _own(context, wanted, image_id)
    _check(image, wanted.fingerprint)
    context.effects.tag_resources([image.id, *image.snapshot_ids], {STATE: READY})
    images = catalogue.ready(catalogue.own(context, wanted.environment, wanted.pipeline), wanted.fingerprint)
    same = [one for one in images if one.tags.get(BASE_IMAGE) == image.tags.get(BASE_IMAGE)]
    oldest = same[-1] if same else image
    if oldest.id != image.id:
        remove(context, image)
    return oldest.id, oldest.id == image.id


def discard(context: Context, wanted: Wanted, image_id: str) -> bool:
    """Remove an image whose test has failed; return whether it was there."""
    found = [one for one in catalogue.own(context, wanted.environment, wanted.pipeline) if one.id == image_id]
    for one in found:
        remove(context, one)
    return bool(found)


def remove(context: Context, image: Image) -> None:
    """Deregister an image and delete its snapshots. It may be gone already, in part or as a whole."""
    context.effects.deregister_image(image.id)
    for snapshot_id in image.snapshot_ids:
        context.effects.delete_snapshot(snapshot_id)


def superfluous(context: Context, wanted: Wanted, kept: int) -> list[Image]:
    """Return the images that nothing needs: all but the newest `kept` ready ones and those in use.

    In use are images of instances that have not ended and of live clusters, whether Kiln's or not. Candidates
    of other bakes are left alone for as long as their instances may be: they have expired then.
    """
    images = catalogue.own(context, wanted.environment, wanted.pipeline)
    usable = [one for one in images if one.tags.get(STATE) == READY]
    left = {one.id for one in usable[:kept]}
    used = in_use(context, wanted.environment)
    return [
        one
        for one in images
        if one.id not in left and one.id not in used and (one in usable or _has_expired(context, one))
    ]


def in_use(context: Context, environment: str) -> Collection[str]:
    """Return the images of the environment's instances, and of live clusters: new ones have no nodes yet."""
    instances = context.effects.find_instances(
        {
            "tag:managed_by": [MANAGED_BY],
            "tag:environment": [environment],
            "instance-state-name": ["pending", "running", "stopping", "stopped"],
        }
    )
    live = clusters.named(context, environment)
    return {one.image_id for one in instances} | {one.custom_ami_id for one in live}


def _own(context: Context, wanted: Wanted, image_id: str) -> Image:
    images = catalogue.own(context, wanted.environment, wanted.pipeline)
    found = next((one for one in images if one.id == image_id), None)
    if found is None:
        raise PlaybookError(
            f"{image_id} is no image of pipeline {wanted.pipeline} in {wanted.environment} by its tags",
            fix="bake it again",
        )
    return found


def _check(image: Image, fingerprint: str) -> None:
    problem = ""
    if image.tags.get(FINGERPRINT) != fingerprint:
        problem = "has another fingerprint than this bake"
    elif image.state != catalogue.AVAILABLE:
        problem = f"is {image.state}"
    elif image.is_public:
        problem = "is shared with everybody"
    elif not image.is_encrypted:
        problem = "is not encrypted"
    if problem:
        raise PlaybookError(f"image {image.id} {problem}: it is not used", fix="bake it again")


def _has_expired(context: Context, image: Image) -> bool:
    expiry = tags.moment(image.tags, tags.EXPIRES_AT)
    return expiry is None or expiry <= context.clock.now()
