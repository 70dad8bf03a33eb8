"""A release's second layer: archives of the classes that JVMs load, which they map in place of loading them.

The JDK calls it class data sharing. https://docs.oracle.com/en/java/javase/17/vm/class-data-sharing.html
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from emrbox import namespaces
from emrbox.emr.default_configurations import DAEMON_JVM, SPARK_JARS, defaults
from emrbox.images.cache import Recipe, digest
from emrbox.images.command import run
from emrbox.images.trees import lay_over

if TYPE_CHECKING:
    from collections.abc import Sequence

_FOLDER = Path(__file__).parent / "class_archives"
_MADE = "opt/emr/class_archives"
_WORK = "mnt/class_archives"
# As in the script `hadoop`, which all of Hadoop's programs are.
_HADOOP_JARS = "/opt/emr/hadoop/lib/*:/opt/emr/hadoop/tools/*"


def recipe(label: str, base: Recipe, release: Recipe) -> Recipe:
    """Return the recipe of one release label's archives."""
    return Recipe(
        kind=f"classes-{label}",
        reason="archives of the classes of Hadoop and Spark, from one run of both (1 to 2 minutes)",
        inputs=digest(label, Path(__file__), _FOLDER, base.inputs, release.inputs),
        build=lambda folder: _build(folder, (release.path, base.path)),
        proof=f"{_MADE}/spark.jsa",
    )


def _build(folder: Path, layers: Sequence[Path]) -> None:
    with tempfile.TemporaryDirectory(prefix=f"{folder.name}-", dir=folder.parent) as scratch:
        root, upper, work = (Path(scratch) / name for name in ("root", "upper", "work"))
        for one in (root, upper, work):
            one.mkdir()
        lay_over(_FOLDER / "tree", upper)
        asked = {
            "sites": defaults("localhost", 1),
            "jvm": DAEMON_JVM,
            "class_paths": {"hadoop": _HADOOP_JARS, "spark": SPARK_JARS},
        }
        (upper / _WORK / "make.json").write_text(json.dumps(asked))
        options = namespaces.overlay_options(layers, upper, work)
        program = f"/{_WORK}/make.py"
        run(["unshare", "--net", "--uts", "--", "bash", _FOLDER / "mount.sh", options, root, program])
        lay_over(upper / _MADE, folder / _MADE)
