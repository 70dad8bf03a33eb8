"""Remove what local runs have written in this checkout, and say what stays.

Vault passwords cannot be made again, and the records of runs elsewhere belong to those: both stay.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

_LOCAL = "local"


def _is_local(run: Path) -> bool:
    """Tell whether a run's folder says that the run was in the local environment."""
    try:
        return bool(json.loads((run / "result.json").read_text())["environment"] == _LOCAL)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def main(root: Path) -> None:
    """Clean one checkout."""
    state = root / ".kiln"
    runs = sorted((state / "runs").iterdir()) if (state / "runs").is_dir() else []
    local = [run for run in runs if _is_local(run)]
    airflow = [state / "airflow", state / "airflow_pictures"]
    for folder in [root / ".emrbox", root / ".molecule", state / _LOCAL, *airflow, *local]:
        if folder.is_symlink():
            folder.unlink()
        elif folder.exists():
            shutil.rmtree(folder)
    for name in ("fault.log", "airflow.lock"):
        (state / name).unlink(missing_ok=True)
    kept = sorted(path for path in (state / "vault").glob("*.password") if path.is_file())
    kept += [run for run in runs if run not in local]
    for path in kept:
        print(f"kept: {ascii(str(path.relative_to(root)))[1:-1]}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
