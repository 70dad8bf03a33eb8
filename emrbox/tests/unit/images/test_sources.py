from __future__ import annotations

from pathlib import Path

import pytest

from emrbox.images import base, debian, release

STANZAS = """Types: deb
URIs: http://deb.example/debian
Suites: bookworm bookworm-updates
Components: main

Types: deb
URIs: https://third.example
Suites: nodistro
Components: main
"""


def test_only_debian_s_own_sources_are_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list.d/x.sources").write_text(STANZAS)
    (tmp_path / "sources.list").write_text(
        "# a comment\n"
        "deb [signed-by=/k arch=amd64] http://deb.example/security bookworm-security main\n"
        "deb https://third.example cloud-sdk-bookworm main\n"
    )
    monkeypatch.setattr(debian, "_APT", tmp_path)
    with debian.host_sources() as files:
        text = "".join(file.read_text() for file in files)
    assert "third.example" not in text
    assert text.count("deb.example") == 2
    assert not any(file.exists() for file in files)


@pytest.mark.parametrize(
    "listing",
    ["host_packages.txt", "base/packages.txt", "rpm/packages.txt", "rpm/left_out.txt"],
)
def test_every_listed_package_has_a_reason_or_a_source(listing: str) -> None:
    file = Path(base.__file__).parent / listing
    lines = [line.split() for line in file.read_text().splitlines() if line and line[0] != "#"]
    assert all(len(words) >= 2 for words in lines)
    assert debian.packages(file) == [words[0] for words in lines]
    assert len({words[0] for words in lines}) == len(lines)


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("pyspark-4.0.2/deps/jars/spark-core_2.13-4.0.2.jar", "jars/spark-core_2.13-4.0.2.jar"),
        ("pyspark-4.0.2/lib/pyspark.zip", "python/lib/pyspark.zip"),
        ("pyspark-4.0.2/pyspark/sql/types.py", "python/pyspark/sql/types.py"),
        ("pyspark-4.0.2/deps/jars/kubernetes-client-7.1.0.jar", None),
        ("pyspark-4.0.2/deps/bin/pyspark.cmd", None),
        ("pyspark-4.0.2/setup.py", None),
    ],
)
def test_spark_s_archive_is_laid_out_as_its_distribution(name: str, place: str | None) -> None:
    assert release._place(name) == place
