"""What the scripts that write reference pages share: write the pages, or check that they are up to date."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

CHECKOUT = Path(__file__).resolve().parents[1]


def main(description: str | None, pages: Callable[[], Mapping[Path, str]]) -> int:
    """Write the pages that differ; with --check write nothing and return 1 when one differs.

    `description` is the script's docstring; its first line is the help text.
    """
    parser = argparse.ArgumentParser(description=(description or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a page is out of date")
    check = parser.parse_args().check
    stale = {path: text for path, text in pages().items() if not path.is_file() or path.read_text() != text}
    for path, text in stale.items():
        if not check:
            path.write_text(text)
        print(f"{path.relative_to(CHECKOUT)} {'is out of date' if check else 'written'}", file=sys.stderr)
    return int(check and bool(stale))
