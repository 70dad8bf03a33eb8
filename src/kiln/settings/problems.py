"""Several errors in settings as one: people correct all of them before they try again."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from kiln.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Problems:
    """What is wrong with settings, in the order in which it was found, each once."""

    def __init__(self) -> None:
        self.found: list[UsageError] = []

    def add(self, error: UsageError) -> None:
        """Keep an error; those that it holds as details of its own kind are kept as they are."""
        if (error.message, error.fix) not in [(one.message, one.fix) for one in self.found]:
            self.found.append(error)

    @contextmanager
    def collecting(self) -> Iterator[None]:
        """Keep the error that the block raises, if it raises one."""
        try:
            yield
        except AllProblemsError as error:
            for one in error.found:
                self.add(one)
        except UsageError as error:
            self.add(error)

    def passes(self, check: Callable[[], object]) -> bool:
        """Make a check; keep the error that it raises, and return whether it raised none."""
        with self.collecting():
            check()
            return True
        # The same error may have been found before: whether the list has grown says nothing.
        return False

    def raise_any(self) -> None:
        """Raise all that was found as one error, if anything was."""
        if len(self.found) == 1:
            raise self.found[0]
        if self.found:
            raise AllProblemsError(self.found)


class AllProblemsError(UsageError):
    """Several errors: the first is the message, the others are the details."""

    def __init__(self, found: list[UsageError]) -> None:
        first, *others = found
        lines = [*first.details, *(f"{one.message}; {one.fix}" for one in others)]
        super().__init__(first.message, fix=first.fix, details=tuple(lines))
        self.found = list(found)
