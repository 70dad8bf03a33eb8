"""The commands of a page of docs/operations, run unchanged but for the names of environment and run."""

from __future__ import annotations

import os
import re
import subprocess
from typing import TYPE_CHECKING

from local_world import CHECKOUT, HANG_SECONDS, clean_environment

if TYPE_CHECKING:
    from collections.abc import Mapping


def commands(page: str, title: str) -> str:
    """Return the commands below the comment that has this title."""
    text = (CHECKOUT / "docs/operations" / page).read_text()
    [found] = re.findall(rf"<!-- commands: {title};[^\n]*\n```\n(.*?)```", text, re.DOTALL)
    return str(found)


def run(script: str, variables: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run commands in a shell, in the checkout; `variables` stand for what the page exports first."""
    kept = "\n".join(line for line in script.splitlines() if not line.startswith("export KILN_ENV="))
    return subprocess.run(
        ["bash", "-euc", kept],
        cwd=CHECKOUT,
        env={**clean_environment(), "PATH": os.environ["PATH"], **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
        check=False,
    )
