"""The setting `emr_node_system_settings`: settings of the kernel and limits of users on every node."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

from kiln.errors import UsageError
from kiln.settings import names
from kiln.settings.fields import Model, Scalar, doc

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

KEY = "emr_node_system_settings"
_NAME = re.compile(r"[a-z][a-z0-9_]*(?:\.[A-Za-z0-9_-]+)+")
# One line, as the kernel takes it: numbers or words with single spaces.
_VALUE = re.compile(r"[!-~]+(?: [!-~]+)*")
_MOST_VALUE = 200
_DOMAIN = re.compile(r"\*|@?[a-z_][a-z0-9_-]{0,31}")
_UNLIMITED = "unlimited"
# Resource of limits.conf(5) -> the least value and the most, in its units; None: any, and `unlimited`.
# PAM ends a login whose number of files is more than fs.nr_open (1048576, proc_sys_fs(5)), and with few
# files, processes or KiB of memory nobody can log in.
_LIMITS: dict[str, tuple[int, int | None]] = {
    "as": (1_048_576, None),
    "core": (0, None),
    "data": (1_048_576, None),
    "fsize": (1_048_576, None),
    "memlock": (0, None),
    "msgqueue": (0, None),
    "nofile": (1024, 1_048_576),
    "nproc": (1024, None),
    "sigpending": (1024, None),
    "stack": (1024, None),
}


class SystemSettings(Model, frozen=True, kw_only=True):
    """Values by name: of the kernel, and by user the limits of what the user may take."""

    kernel: Annotated[
        dict[str, Scalar], doc("Settings of the kernel as sysctl names them: number or text by name.")
    ] = {}  # noqa: RUF012  # msgspec copies it
    limits: Annotated[
        dict[str, dict[str, Scalar]],
        doc(
            "Limits of logins, soft and hard: by user, @group or *, and then by the resource as limits.conf "
            "names it, a number or unlimited."
        ),
    ] = {}  # noqa: RUF012  # msgspec copies it

    @property
    def is_set(self) -> bool:
        """Whether there is anything to set."""
        return bool(self.kernel or any(self.limits.values()))


def problems(settings: SystemSettings, place: Callable[[str], str]) -> Iterator[UsageError]:
    """Yield what cannot be set; `place` returns the file and line of a key."""
    for name, value in settings.kernel.items():
        key = names.below(f"{KEY}.kernel", name)
        if not _NAME.fullmatch(name):
            yield _wrong(place, key, "is no name of a setting", "such as vm.swappiness")
        elif isinstance(value, bool) or not _VALUE.fullmatch(str(value)) or len(str(value)) > _MOST_VALUE:
            yield _wrong(place, key, f"is {names.shown(str(value))}", "a number, or words in one line")
    for domain, limits in settings.limits.items():
        key = names.below(f"{KEY}.limits", domain)
        if not _DOMAIN.fullmatch(domain):
            yield _wrong(place, key, "is no user", "a user, @group or *")
            continue
        for resource, value in limits.items():
            yield from _limit_problems(names.below(key, resource), resource, value, place)


def _limit_problems(
    key: str, resource: str, value: Scalar, place: Callable[[str], str]
) -> Iterator[UsageError]:
    if resource not in _LIMITS:
        yield _wrong(place, key, "is no limit", " ".join(_LIMITS))
        return
    least, most = _LIMITS[resource]
    number = value if isinstance(value, int) and not isinstance(value, bool) else -1
    if number < least or (most is not None and number > most):
        if value == _UNLIMITED and most is None:
            return
        words = f"{least} to {most}" if most else f"{least} or more, or {_UNLIMITED}"
        yield _wrong(place, key, f"is {names.shown(str(value))}", words)


def _wrong(place: Callable[[str], str], key: str, what: str, words: str) -> UsageError:
    return UsageError(f"{place(key)}: {key} {what}: expected {words}", fix="correct it")


def kernel_file(kernel: Mapping[str, Scalar]) -> str:
    """Return the file that sets them at each boot, as sysctl.d(5) has it."""
    return _written(f"{name} = {value}" for name, value in sorted(kernel.items()))


def limits_file(limits: Mapping[str, Mapping[str, Scalar]]) -> str:
    """Return the file that PAM reads at each login, as limits.conf(5) has it."""
    rows = (
        (domain, name, value) for domain, own in sorted(limits.items()) for name, value in sorted(own.items())
    )
    return _written(f"{domain} - {name} {value}" for domain, name, value in rows)


def _written(lines: Iterator[str]) -> str:
    return "".join(f"{line}\n" for line in (f"# Written by Kiln from {KEY}.", *lines))
