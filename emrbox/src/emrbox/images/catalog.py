"""What `emrbox images build` makes, and where a box finds it."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from emrbox.config import Images
from emrbox.errors import BoxError
from emrbox.images import base, cache, class_archives, host, release, rpm_repository
from emrbox.images.cache import Recipe, Report, ensure
from emrbox.paths import IS_CHECKOUT, cache_home


@dataclass(frozen=True)
class Recipes:
    """Every recipe. A release's layers are topmost first."""

    base: Recipe
    releases: dict[str, tuple[Recipe, Recipe]]
    rpm_repository: Recipe

    def all(self) -> list[Recipe]:
        """Return them in one list."""
        layers = [layer for layers in self.releases.values() for layer in layers]
        return [self.base, *layers, self.rpm_repository]

    def missing(self) -> list[str]:
        """Return the names of what is not built yet."""
        return [recipe.kind for recipe in self.all() if not recipe.is_built]


def recipes() -> Recipes:
    """Return what is to be built."""
    image = base.recipe()
    releases = {}
    for label in release.LABELS:
        software = release.recipe(label)
        releases[label] = (class_archives.recipe(label, image, software), software)
    return Recipes(image, releases, rpm_repository.recipe(image))


def build(report: Report) -> None:
    """Build what is not there yet, side by side as far as one does not need the other."""
    wanted = recipes()
    if wanted.missing():
        host.check(cache_home())
    before = os.umask(0o022)  # nodes have users of their own, who read what is in an image
    try:
        _build(wanted, report)
    finally:
        os.umask(before)


def _build(wanted: Recipes, report: Report) -> None:
    with ThreadPoolExecutor() as pool:
        software = [pool.submit(ensure, recipe, report) for _, recipe in wanted.releases.values()]
        ensure(wanted.base, report)
        repository = pool.submit(ensure, wanted.rpm_repository, report)
        for one in software:
            one.result()
        for archives, _ in wanted.releases.values():
            ensure(archives, report)
        repository.result()


def missing() -> list[str]:
    """Return the names of what is not built yet."""
    return recipes().missing()


def prune(report: Report) -> None:
    """Remove what other versions of the recipes have made."""
    cache.prune(recipes().all(), report)


def find() -> Images:
    """Return the finished trees; BoxError that names the command when one is missing."""
    wanted = recipes()
    if not_built := wanted.missing():
        command = "scripts/setup" if IS_CHECKOUT else "emrbox images build"
        raise BoxError(f"not built yet: {', '.join(not_built)}; run {command}")
    releases = {label: tuple(layer.path for layer in layers) for label, layers in wanted.releases.items()}
    return Images(base=wanted.base.path, releases=releases, rpm_repository=wanted.rpm_repository.path)
