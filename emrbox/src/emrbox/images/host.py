"""What building images needs on the host."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from emrbox.errors import BoxError
from emrbox.images import debian

_PACKAGES = Path(__file__).with_name("host_packages.txt")
_NEEDED_GB = 6


def check(cache: Path) -> None:
    """Raise BoxError, before anything is half done, when images cannot be made here."""
    if shutil.which("dpkg-query") is None:
        raise BoxError("images are made with Debian's tools: use Debian 12 or a close relative")
    wanted = debian.packages(_PACKAGES)
    query = ["dpkg-query", "-W", "-f", "${Package} ${db:Status-Abbrev}\n", *wanted]
    said = subprocess.run(query, capture_output=True, text=True, check=False).stdout
    there = {line.split()[0] for line in said.splitlines() if line.split()[1:] == ["ii"]}
    if missing := [name for name in wanted if name not in there]:
        install = "apt-get install --no-install-recommends"
        raise BoxError(f"Debian packages are missing; as root: {install} {' '.join(missing)}")
    while not cache.exists():
        cache = cache.parent
    if (free_gb := shutil.disk_usage(cache).free / 1e9) < _NEEDED_GB:
        raise BoxError(f"{free_gb:.1f} GB free below {cache}, {_NEEDED_GB} GB are needed: set XDG_CACHE_HOME")
