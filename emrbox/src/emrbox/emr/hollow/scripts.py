"""What the steps of hollow clusters do: how long they take and how they end.

A step can contain its own script: `command-runner.jar` with the arguments

    emrbox-script --seconds 7200 --exit-code 1 --message "java.lang.OutOfMemoryError"

or, where the steps are those of a program under test, a rule sets it by the names of cluster and step. Any
other step of a hollow cluster succeeds at once.
"""

from __future__ import annotations

import argparse
import threading
from dataclasses import asdict, dataclass, fields
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emrbox.emr.life.model import Cluster, Step

HOLLOW_TAG = "emrbox:hollow"
COMMAND = "emrbox-script"
MOST_SECONDS = 10 * 365 * 86400.0
MOST_EXIT_CODE = 255
MOST_CONTAINERS = 100_000


@dataclass(frozen=True)
class Script:
    """What one step does. `message` is FailureDetails.Message; `applications` YARN applications are named.

    While it runs, it wants `containers` of YARN, each on a vCPU: scaling policies follow them.
    """

    seconds: float = 0.0
    exit_code: int = 0
    message: str | None = None
    applications: int = 0
    containers: int = 0

    def __post_init__(self) -> None:
        """Refuse what is out of range."""
        if not 0 <= self.seconds <= MOST_SECONDS:
            raise ValueError(f"seconds: 0 to {MOST_SECONDS:.0f}")
        if not 0 <= self.exit_code <= MOST_EXIT_CODE:
            raise ValueError(f"exit_code: 0 to {MOST_EXIT_CODE}")
        if not 0 <= self.containers <= MOST_CONTAINERS:
            raise ValueError(f"containers: 0 to {MOST_CONTAINERS}")


@dataclass(frozen=True)
class Rule:
    """A script for steps by name; `step`, `cluster` (name or id) and `account` are patterns as in a shell."""

    script: Script
    step: str = "*"
    cluster: str = "*"
    account: str = "*"

    def fits(self, cluster: Cluster, step: Step) -> bool:
        """Whether the rule is for this step."""
        names = (cluster.name, cluster.id)
        return (
            fnmatchcase(step.name, self.step)
            and any(fnmatchcase(n, self.cluster) for n in names)
            and fnmatchcase(cluster.account_id, self.account)
        )


class Scripts:
    """The rules of the box, and whether all launches are hollow."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rules: list[Rule] = []
        self.all_launches = False
        self._accounts: set[str] = set()

    def is_hollow(self, tags: dict[str, str], account_id: str | None = None) -> bool:
        """Whether a launch with these tags is hollow: by its tag, else by account or the box's setting."""
        value = tags.get(HOLLOW_TAG)
        if value is None:
            return self.all_launches or account_id in self._accounts
        return value.lower() not in {"false", "no", "0"}

    def add_account(self, account_id: str) -> None:
        """Take this account's launches for hollow."""
        self._accounts.add(account_id)

    def forget_account(self, account_id: str) -> None:
        """Forget an account, and the rules that name it."""
        with self._lock:
            self._accounts.discard(account_id)
            self._rules = [rule for rule in self._rules if rule.account != account_id]

    def of(self, cluster: Cluster, step: Step) -> Script:
        """Return a step's script: its own, or else that of the newest rule that fits."""
        if step.args[:1] == (COMMAND,):
            return from_arguments(step.args[1:])
        with self._lock:
            rules = list(self._rules)
        return next((rule.script for rule in reversed(rules) if rule.fits(cluster, step)), Script())

    def document(self) -> dict[str, Any]:
        """Return what is set, as `change` takes it."""
        with self._lock:
            rules = [
                {"step": r.step, "cluster": r.cluster, "account": r.account, **asdict(r.script)}
                for r in self._rules
            ]
        return {"all_launches": self.all_launches, "steps": rules}

    def change(self, document: dict[str, Any]) -> None:
        """Set `all_launches` and `steps` (the whole list), add `add_steps`; ValueError, TypeError."""
        if unknown := set(document) - {"all_launches", "steps", "add_steps"}:
            raise ValueError(
                f"unknown: {', '.join(sorted(unknown))}; known are all_launches, steps, add_steps"
            )
        rules = [_rule(dict(item)) for item in document.get("steps", [])]
        if not isinstance(document.get("all_launches", False), bool):
            raise TypeError("all_launches: true or false")
        more = [_rule(dict(item)) for item in document.get("add_steps", [])]
        with self._lock:
            if "steps" in document:
                self._rules = rules
            self._rules = self._rules + more
            self.all_launches = document.get("all_launches", self.all_launches)


def from_arguments(arguments: Sequence[str]) -> Script:
    """Read a step's own script. One that cannot be read fails the step, with the reason as message."""
    parser = _Parser(prog=COMMAND, add_help=False, exit_on_error=False)
    parser.add_argument("--seconds", type=float, default=0.0)
    parser.add_argument("--exit-code", type=int, default=0)
    parser.add_argument("--message")
    parser.add_argument("--applications", type=int, default=0)
    parser.add_argument("--containers", type=int, default=0)
    try:
        found = parser.parse_args(list(arguments))
        return Script(found.seconds, found.exit_code, found.message, found.applications, found.containers)
    except (argparse.ArgumentError, ValueError) as problem:
        return Script(exit_code=2, message=f"{COMMAND}: {problem}")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ValueError(message)


def _rule(item: dict[str, Any]) -> Rule:
    step, cluster, account = (str(item.pop(name, "*")) for name in ("step", "cluster", "account"))
    known = [field.name for field in fields(Script)]
    if unknown := set(item).difference(known):
        known = ["step", "cluster", "account", *known]
        raise ValueError(f"steps: unknown {', '.join(sorted(unknown))}; known are {', '.join(known)}")
    return Rule(Script(**item), step, cluster, account)
