"""What `emrbox images build` makes, and where a box finds it."""

from __future__ import annotations

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
    if not all(recipe.is_built for recipe in wanted.all()):
        host.check(cache_home())
    with ThreadPoolExecutor() as pool:
        software = [pool.submit(ensure, recipe, report) for _, recipe in wanted.releases.values()]
        ensure(wanted.base, report)
        repository = pool.submit(ensure, wanted.rpm_repository, report)
        for one in software:
            one.result()
        for archives, _ in wanted.releases.values():
            ensure(archives, report)
        repository.result()


def prune(report: Report) -> None:
    """Remove what other versions of the recipes have made."""
    cache.prune(recipes().all(), report)


def find() -> Images:
    """Return the finished trees; BoxError that names the command when one is missing."""
    wanted = recipes()
    missing = [recipe.kind for recipe in wanted.all() if not recipe.is_built]
    if missing:
        command = "scripts/setup" if IS_CHECKOUT else "emrbox images build"
        raise BoxError(f"not built yet: {', '.join(missing)}; run {command}")
    releases = {label: tuple(layer.path for layer in layers) for label, layers in wanted.releases.items()}
    return Images(base=wanted.base.path, releases=releases, rpm_repository=wanted.rpm_repository.path)
