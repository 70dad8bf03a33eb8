"""Every fact about AWS that code or documentation cites has its section in docs/aws_facts.md."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FACTS = "docs/aws_facts.md"
NUMBER = r"\d+(?:\.\d+)?"
CITATION = re.compile(rf"{re.escape(FACTS)}`? ({NUMBER}(?:(?:, | and |-){NUMBER})*)")
HEADING = re.compile(rf"^##+ ({NUMBER}) ", re.MULTILINE)
# Where a binary file or a lock file has nothing to say.
TEXTS = (".py", ".md", ".yml", ".yaml", ".j2", ".sh", ".toml", ".cfg", ".json")


def sections() -> list[str]:
    return HEADING.findall((ROOT / FACTS).read_text())


def citations() -> dict[str, set[str]]:
    """Return the cited sections, each with the files that cite it."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True)
    found: dict[str, set[str]] = {}
    for name in listed.stdout.split("\0"):
        file = ROOT / name
        if not name.endswith(TEXTS) or not file.is_file() or name == FACTS:
            continue
        for cited in CITATION.findall(file.read_text()):
            for number in re.findall(NUMBER, cited):
                found.setdefault(number, set()).add(name)
    return found


def test_every_cited_section_exists() -> None:
    known = set(sections())
    assert {number: files for number, files in citations().items() if number not in known} == {}


def test_the_driver_cites_the_facts_that_it_relies_on() -> None:
    files = {name for names in citations().values() for name in names}
    assert {name for name in files if name.startswith("src/kiln/")}


def test_no_section_stands_twice() -> None:
    assert [number for number, count in Counter(sections()).items() if count > 1] == []
