"""`python -m kiln`."""

from __future__ import annotations

import sys

from kiln.cli import main

if __name__ == "__main__":
    sys.exit(main())
