"""Run a tool; if it fails, say which one and its last line."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from emrbox.errors import BoxError
from emrbox.paths import cache_home

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


# A tool and its mounts end with this process, however it ends: mmdebstrap would continue, and leave mounts.
_ALONE = (
    *("setpriv", "--pdeathsig", "KILL", "--"),
    *("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--"),
)


def run(argv: Sequence[str | Path], *, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> str:
    """Run `argv` to its end and return what it printed on stdout. `env` adds to the environment."""
    program = str(argv[0])
    if shutil.which(program) is None:
        raise BoxError(f"{program} is not installed: emrbox images build says which packages are missing")
    result = subprocess.run(
        [*_ALONE, *(str(word) for word in argv)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env={**os.environ, "LC_ALL": "C.UTF-8", **(env or {})},
        cwd=cwd,
        check=False,
        text=True,
        errors="replace",
    )
    if result.returncode:
        log = cache_home() / "log" / f"{Path(program).name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(result.stdout + result.stderr)
        last = (result.stderr.strip() or result.stdout.strip() or "it said nothing").splitlines()[-1]
        raise BoxError(f"{log.stem} failed with exit code {result.returncode}: {last} (full output: {log})")
    return result.stdout
