from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

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


def test_a_wheel_has_all_that_the_same_images_are_made_from(tmp_path: Path) -> None:
    source = tmp_path / "source"
    left_out = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(CHECKOUT / "src", source / "src", symlinks=True, ignore=left_out)
    shutil.copytree(CHECKOUT / "requirements", source / "requirements")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(CHECKOUT / name, source)
    offline = ["--offline", "--quiet", "--python", sys.executable]
    subprocess.run(
        [UV, "build", "--wheel", "--no-build-isolation", *offline, "-o", tmp_path / "wheel", source],
        check=True,
        capture_output=True,
    )
    [wheel] = (tmp_path / "wheel").glob("*.whl")
    target = tmp_path / "installed"
    subprocess.run(
        [UV, "pip", "install", "--no-deps", "--no-index", "--target", target, *offline, wheel],
        check=True,
        capture_output=True,
    )
    assert images(target, tmp_path) == images(CHECKOUT / "src", tmp_path)
    assert (target / "emrbox/page/static/index.html").exists()
    assert (target / "emrbox/images/base/customize.sh").exists()
