"""emrbox installs alone, from its own folder, with all that it works with."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[3]
UV = Path(sys.executable).with_name("uv")


def images(python_path: Path, home: Path) -> list[str]:
    """What `emrbox images list` says of the emrbox that lies there, and of no other."""
    finished = subprocess.run(
        [sys.executable, "-S", "-m", "emrbox", "images", "list"],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(python_path), "HOME": str(home)},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout.splitlines()


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """What `pip install ./emrbox` writes; of a copy, because building leaves files beside the source."""
    source = tmp_path / "source"
    left_out = shutil.ignore_patterns("__pycache__", "*.egg-info", "build", "tests")
    shutil.copytree(CHECKOUT / "emrbox", source / "emrbox", symlinks=True, ignore=left_out)
    shutil.copytree(CHECKOUT / "requirements", source / "requirements")
    shutil.copy(CHECKOUT / "LICENSE", source)
    target = tmp_path / "installed"
    offline = ["--offline", "--no-index", "--no-deps", "--no-build-isolation", "--quiet"]
    subprocess.run(
        [UV, "pip", "install", *offline, "--python", sys.executable, "--target", target, source / "emrbox"],
        check=True,
        capture_output=True,
    )
    return target


@pytest.mark.processes
def test_the_installed_package_makes_the_same_images_as_the_checkout(installed: Path, tmp_path: Path) -> None:
    assert images(installed, tmp_path) == images(CHECKOUT / "emrbox/src", tmp_path)


@pytest.mark.processes
def test_the_installed_package_has_its_data_its_command_and_its_pytest_plugin(installed: Path) -> None:
    assert (installed / "emrbox/front/page/static/index.html").exists()
    assert (installed / "emrbox/images/base/customize.sh").exists()
    assert (installed / "bin/emrbox").exists()
    [points] = installed.glob("emrbox-*.dist-info/entry_points.txt")
    assert "emrbox.pytest_plugin" in points.read_text()


@pytest.mark.processes
def test_the_installed_package_is_emrbox_without_kiln(installed: Path) -> None:
    assert {path.name.split("-")[0] for path in installed.iterdir()} - {"bin", ".lock"} == {"emrbox"}


@pytest.mark.parametrize("folder", ["", "emrbox", "emrbox/tests"])
@pytest.mark.processes
def test_the_folder_of_the_project_does_not_hide_the_package(folder: str) -> None:
    """Python puts the current folder first on its path, and emrbox/ would be a namespace package there."""
    finished = subprocess.run(
        [sys.executable, "-c", "import emrbox.box; print(emrbox.__file__)"],
        cwd=CHECKOUT / folder,
        capture_output=True,
        text=True,
        check=True,
    )
    assert finished.stdout.strip() == str(CHECKOUT / "emrbox/src/emrbox/__init__.py")
