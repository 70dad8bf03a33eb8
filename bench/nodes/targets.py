"""What Kiln is to reach beside the others, and whether it does."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from nodes.figures import Figure, Report

Key = tuple[str, str]


class Target(NamedTuple):
    """`one`, `other`: phase and contender. `kind`: how they are compared. `most` or `least` is given."""

    what: str
    kind: str
    one: Key
    other: Key
    most: float | None = None
    least: float | None = None


_KINDS = {"times": "{:.1f} times", "more": "{:+.2f} s", "cpu": "{:.1f} ms a node"}
_START = "ansible_start"
TARGETS = (
    Target(
        "Provision, cold: Kiln's time as against pyinfra's",
        "times",
        ("cold", "kiln"),
        ("cold", "pyinfra"),
        most=1,
    ),
    Target(
        "Provision, cold: tuned Ansible's time as against Kiln's",
        "times",
        ("cold", "ansible"),
        ("cold", "kiln"),
        least=8,
    ),
    Target(
        "The same where the OS packages are there", "times", ("files", "ansible"), ("files", "kiln"), least=8
    ),
    Target(
        "Nothing to do: Kiln beyond Ansible's own start",
        "more",
        ("nothing", "kiln"),
        ("nothing", _START),
        most=1,
    ),
    Target(
        "Deploy: Kiln's time as against rsync's", "times", ("deploy", "kiln"), ("deploy", "rsync"), most=1
    ),
    Target(
        "Deploy, unchanged: Kiln beyond Ansible's own start",
        "more",
        ("unchanged", "kiln"),
        ("unchanged", _START),
        most=0.5,
    ),
    Target(
        "Python environment built: the pip loop's time as against Kiln's",
        "times",
        ("environment", "old_way"),
        ("environment", "kiln_build"),
        least=5,
    ),
    Target(
        "Python environment once built: Kiln beyond Ansible's own start",
        "more",
        ("environment", "kiln"),
        ("environment", _START),
        most=2,
    ),
    Target(
        "Many nodes, nothing to do: Kiln's fan-out as against asyncssh's of one command",
        "times",
        ("many_nothing", "kiln_engine"),
        ("many_nothing", "asyncssh"),
        most=2,
    ),
    Target(
        "Many nodes: processor time of Kiln's fan-out beyond OpenSSH's of one command",
        "cpu",
        ("many_nothing", "kiln_engine"),
        ("many_nothing", "openssh_command"),
        most=10,
    ),
)


def rows(report: Report) -> list[tuple[str, str, str, str]]:
    """Return (what, target, measured, whether it is reached) of every target that was measured."""
    found = []
    for target in TARGETS:
        one, other = report.figure(*target.one), report.figure(*target.other)
        if one and other:
            found.append(_row(target, _value(target, one, other, report)))
    return found


def _row(target: Target, value: float) -> tuple[str, str, str, str]:
    shown = _KINDS[target.kind]
    if target.most is not None:
        wanted = f"at most {shown.format(target.most)}"
        return target.what, wanted, shown.format(value), _yes(value <= target.most)
    assert target.least is not None
    return (
        target.what,
        f"at least {shown.format(target.least)}",
        shown.format(value),
        _yes(value >= target.least),
    )


def _value(target: Target, one: Figure, other: Figure, report: Report) -> float:
    if target.kind == "times":
        return one.median / other.median
    if target.kind == "more":
        return one.median - other.median
    return (one.cpu_median - other.cpu_median) / report.chains["many"].nodes * 1000


def _yes(is_reached: bool) -> str:  # noqa: FBT001  # the only argument
    return "yes" if is_reached else "**no**"
