"""Who may import whom across the repository, and what must never be committed."""

import ast
import itertools
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]


def tracked_files() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=CHECKOUT, check=True, capture_output=True, text=True
    ).stdout
    return [CHECKOUT / name for name in listed.split("\0") if name and (CHECKOUT / name).is_file()]


def imported_packages(file: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize(
    ("folder", "forbidden"),
    [
        ("src/kiln", {"emrbox", "moto", "werkzeug"}),
        ("src/kiln_airflow", {"kiln", "emrbox", "ansible", "ansible_runner", "boto3", "msgspec"}),
        ("dags", {"kiln", "emrbox", "ansible", "boto3", "airflow"}),
        ("plugins", {"emrbox", "moto"}),
        ("emrbox/src/emrbox", {"kiln", "ansible", "ansible_runner"}),
        ("examples/model_repo", {"kiln", "emrbox"}),
    ],
)
def test_folders_import_only_what_they_may(folder: str, forbidden: set[str]) -> None:
    files = sorted((CHECKOUT / folder).rglob("*.py"))
    assert files
    offenders = {str(file): found for file in files if (found := imported_packages(file) & forbidden)}
    assert offenders == {}


def test_kiln_is_installed_without_the_local_aws() -> None:
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    declared = [
        *project["dependencies"],
        *itertools.chain(*project.get("optional-dependencies", {}).values()),
    ]
    lock_files = [file.read_text() for file in (CHECKOUT / "requirements").glob("kiln*.txt")]
    assert lock_files
    for requirements in [declared, *(text.splitlines() for text in lock_files)]:
        names = {re.split(r"[^\w.-]", requirement)[0].lower() for requirement in requirements}
        assert {"ansible", "boto3"} <= names
        assert names.isdisjoint({"emrbox", "moto", "werkzeug"})
    assert "emrbox" not in project["scripts"]


def test_kiln_has_no_branch_for_the_local_environment() -> None:
    pattern = re.compile(r"==\s*[\"']local[\"']|[\"']local[\"']\s*==")
    offenders = [
        str(file) for file in (CHECKOUT / "src/kiln").rglob("*.py") if pattern.search(file.read_text())
    ]
    assert offenders == []


def test_the_readme_fits_on_two_screens() -> None:
    assert len((CHECKOUT / "README.md").read_text().splitlines()) < 100


def test_the_changelog_has_a_section_for_the_version() -> None:
    headings = re.findall(r"^## ([0-9.]+)", (CHECKOUT / "CHANGELOG.md").read_text(), flags=re.MULTILINE)
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    assert headings[0] == project["version"]
    assert headings == sorted(headings, reverse=True)


def test_links_in_documents_lead_to_files() -> None:
    for page in (file for file in tracked_files() if file.suffix == ".md"):
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
            assert "://" in target or (page.parent / target).exists(), f"{page}: {target}"


def test_lock_files_pin_every_version_with_a_hash_and_name_no_index() -> None:
    for lock in (CHECKOUT / "requirements").glob("*.txt"):
        text = lock.read_text()
        assert "://" not in text, lock
        for requirement in re.findall(r"^[A-Za-z0-9].*(?:\n {4}.*)*", text, flags=re.MULTILINE):
            assert "--hash=sha256:" in requirement, f"{lock}: {requirement}"


def test_no_file_holds_a_private_key() -> None:
    marks = re.compile("BEGIN [A-Z ]*PRIVATE " + "KEY|AKI" + "A[0-9A-Z]{16}")
    for file in tracked_files():
        assert not marks.search(file.read_text(errors="replace")), file


def test_no_file_turns_off_the_checking_of_host_keys() -> None:
    marks = re.compile(r"StrictHostKeyChecking[ =]" + r"no\b|host_key_checking *= *[Ff]" + "alse")
    for file in tracked_files():
        assert not marks.search(file.read_text(errors="replace")), file
