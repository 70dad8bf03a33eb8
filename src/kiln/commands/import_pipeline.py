"""`kiln import sundial`: a task definition of another system as a pipeline's files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kiln import paths
from kiln.commands import new
from kiln.display import terminal
from kiln.errors import UsageError
from kiln.settings import sundial

if TYPE_CHECKING:
    import argparse


def main(arguments: argparse.Namespace) -> int:
    """Write the files of the pipeline; each field that Kiln does not take is named on stderr."""
    try:
        text = Path(arguments.file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{arguments.file} cannot be read: {error}", fix="correct the path") from error
    imported = sundial.pipeline_of(text, arguments.file, arguments.name)
    arguments.name = imported.name
    new.write(paths.checkout(), arguments, imported.values)
    for note in imported.notes:
        terminal.err(f"kiln: {note}")
    return 0
