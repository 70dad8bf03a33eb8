"""A release's overlay layer: Hadoop and its S3 connector from Maven Central, Spark from PyPI."""

from __future__ import annotations

import compileall
import shutil
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import IO

from emrbox.errors import BoxError
from emrbox.images.cache import Recipe, digest
from emrbox.images.command import run
from emrbox.images.trees import lay_over
from emrbox.paths import CHECKOUT

LABELS = ("emr-spark-8.0.0",)

_FOLDER = Path(__file__).parent / "release"
_SPARK_LOCK = CHECKOUT / "requirements" / "spark.txt"
# Folder in the archive -> folder in SPARK_HOME, as Spark's own distribution has it.
_SPARK_FOLDERS = {
    "deps/bin": "bin",
    "deps/sbin": "sbin",
    "deps/jars": "jars",
    "deps/examples": "examples/src/main/python",
    "deps/data": "data",
    "pyspark": "python/pyspark",
    "lib": "python/lib",
}
# Kubernetes, other systems' native code, a second shell, Windows: nothing of it runs on a node.
_SPARK_NOT_NEEDED = ("kubernetes-", "spark-kubernetes", "osx", "windows", "aarch", "connect-repl/", ".cmd")
_LAST_LINE = 'exec "${CMD[@]}"\n'
# Spark's own class path begins with a folder that is there in its builds only, and that of configuration.
_JARS_FIRST = """\
if [[ ${CMD[1]} == -cp && ${CMD[2]#"hive-jackson/*:"} == "${SPARK_CONF_DIR:-none}"* ]]; then
  CMD[2]="$SPARK_JARS_DIR/*:${CMD[2]}"
fi
"""
_S3_GROUPS = "software.amazon.awssdk,software.amazon.eventstream,org.reactivestreams"
_TOOLS = ("hadoop-streaming", "hadoop-distcp", "hadoop-mapreduce-examples")


def recipe(label: str) -> Recipe:
    """Return the recipe of one release label's layer."""
    return Recipe(
        kind=f"release-{label}",
        reason="Hadoop (Maven Central, 100 MB) and Spark (PyPI, 430 MB)",
        inputs=digest(label, Path(__file__), _FOLDER, _SPARK_LOCK),
        build=_build,
        proof="opt/emr/spark/bin/spark-submit",
    )


def _build(folder: Path) -> None:
    lay_over(_FOLDER / "tree", folder)
    hadoop, spark = folder / "opt/emr/hadoop", folder / "opt/emr/spark"
    _fetch_hadoop(hadoop)
    _fetch_spark(spark)
    _fetch_jars(spark / "jars", f"-DincludeGroupIds={_S3_GROUPS}")
    shutil.copy2(next((hadoop / "lib").glob("hadoop-aws-*.jar")), spark / "jars")


def _fetch_jars(target: Path, *options: str) -> None:
    """Copy the jars of pom.xml to `target`; Maven checks each against its checksum (-C)."""
    goal = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
    arguments = ("-DincludeScope=runtime", f"-DoutputDirectory={target}", *options)
    run(["mvn", "-B", "-q", "-C", "-f", _FOLDER / "pom.xml", goal, *arguments])


def _fetch_hadoop(home: Path) -> None:
    _fetch_jars(home / "lib")
    # The daemons look for their web pages on the class path. YARN's are in its jars; HDFS's are not published
    # there, and empty folders will do: its JMX answers all the same.
    for name in ("hdfs", "datanode", "secondary"):
        (home / "webapps" / name).mkdir(parents=True)
    tools = home / "tools"
    tools.mkdir()
    for name in _TOOLS:
        jar = next((home / "lib").glob(f"{name}-*.jar"))
        jar.rename(tools / jar.name)
        (tools / f"{name}.jar").symlink_to(jar.name)


def _fetch_spark(home: Path) -> None:
    """Unpack PyPI's source archive of Spark, which holds the whole of it, without building a wheel."""
    with tempfile.TemporaryDirectory(prefix="emrbox-spark-", dir=home.parent) as downloads:
        run(
            [
                sys.executable,
                *("-m", "pip", "download", "--quiet", "--require-hashes", "--no-deps"),
                *("--no-binary", "pyspark", "--no-build-isolation", "-d", downloads, "-r", _SPARK_LOCK),
            ]
        )
        with tarfile.open(next(Path(downloads).glob("pyspark-*.tar.gz"))) as archive:
            for member in archive:
                target = _place(member.name)
                content = archive.extractfile(member) if member.isfile() and target is not None else None
                if content is not None and target is not None:
                    _write(home / target, content, member.mode)
    compileall.compile_dir(home / "python/pyspark", quiet=2)
    _put_jars_first(home / "bin/spark-class")


def _put_jars_first(script: Path) -> None:
    """Let the class path of spark-submit in cluster mode begin with Spark's jars (class_archives.py).

    In client mode spark.driver.extraClassPath does that.
    """
    text = script.read_text()
    if text.count(_LAST_LINE) != 1:
        raise BoxError(f"{script.name} of this Spark does not end with {_LAST_LINE.strip()}")
    script.write_text(text.replace(_LAST_LINE, _JARS_FIRST + _LAST_LINE))


def _write(file: Path, content: IO[bytes], mode: int) -> None:
    """Write one file of the archive. (tarfile's own safe way to do it is not in Debian 12's Python.)"""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("wb") as target:
        shutil.copyfileobj(content, target)
    file.chmod(0o755 if mode & 0o100 else 0o644)


def _place(name: str) -> str | None:
    """Return where a file of the archive goes below SPARK_HOME, or None if it is not needed."""
    inside = name.split("/", 1)[-1]
    if any(word in inside for word in _SPARK_NOT_NEEDED):
        return None
    for source, target in _SPARK_FOLDERS.items():
        if inside.startswith(source + "/"):
            return target + inside.removeprefix(source)
    return None
