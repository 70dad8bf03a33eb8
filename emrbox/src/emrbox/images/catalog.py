"""What `emrbox images build` makes, and where a box finds it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from emrbox.config import Images
from emrbox.errors import BoxError
from emrbox.images import base, cache, host, release, rpm_repository
from emrbox.images.cache import Recipe, Report, ensure
from emrbox.paths import IS_CHECKOUT, cache_home


def recipes() -> list[Recipe]:
    """Return every recipe, in the order in which they are built."""
    image = base.recipe()
    return [image, *(release.recipe(label) for label in release.LABELS), rpm_repository.recipe(image)]


def build(report: Report) -> None:
    """Build what is not there yet. The repository needs the base image, the releases need neither."""
    if not all(recipe.is_built for recipe in recipes()):
        host.check(cache_home())
    image, *releases, repository = recipes()
    with ThreadPoolExecutor() as pool:
        waiting = [pool.submit(ensure, recipe, report) for recipe in releases]
        ensure(image, report)
        ensure(repository, report)
        for one in waiting:
            one.result()


def prune(report: Report) -> None:
    """Remove what other versions of the recipes have made."""
    cache.prune(recipes(), report)


def find() -> Images:
    """Return the finished trees; BoxError that names the command when one is missing."""
    all_recipes = recipes()
    missing = [recipe.kind for recipe in all_recipes if not recipe.is_built]
    if missing:
        command = "scripts/setup" if IS_CHECKOUT else "emrbox images build"
        raise BoxError(f"not built yet: {', '.join(missing)}; run {command}")
    image, *releases, repository = all_recipes
    paths = dict(zip(release.LABELS, (recipe.path for recipe in releases), strict=True))
    return Images(base=image.path, releases=paths, rpm_repository=repository.path)
