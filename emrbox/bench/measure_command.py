"""Run a command and print its wall time, peak memory and peak number of processes, all children included.

Memory is the sum of PSS (shared pages counted once) over every process that was not there before, sampled
once a second: the figure that the README states. Usage: emrbox/bench/measure_command.py make demo
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path


def processes() -> set[int]:
    """Return the ids of all processes."""
    return {int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()}


def pss_bytes(pid: int) -> int:
    """Return the proportional set size of one process, 0 when it is gone or is a kernel thread."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        return 0
    return 0


def main() -> int:
    """Run the command of the arguments; return its exit code."""
    before = processes()
    started = time.monotonic()
    child = subprocess.Popen(sys.argv[1:])
    peak_bytes = peak_count = 0
    while child.poll() is None:
        found = processes() - before
        total = sum(map(pss_bytes, found))
        if total > peak_bytes:
            peak_bytes, peak_count = total, len(found)
        time.sleep(1)
    seconds = time.monotonic() - started
    print(
        f"measured: {seconds:.1f} s, peak {peak_bytes / 2**30:.2f} GiB in {peak_count} processes",
        file=sys.stderr,
    )
    return child.returncode


if __name__ == "__main__":
    sys.exit(main())
