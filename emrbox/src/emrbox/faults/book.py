"""The active faults: added, counted down, removed."""

from __future__ import annotations

import itertools
import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from emrbox.faults.kinds.kind import EMR, Kind, Where
from emrbox.faults.kinds.table import KINDS

Document = dict[str, Any]
SCOPE = ("service", "operation", "cluster", "principal")
KNOWN = frozenset({"kind", *SCOPE, "count", "probability", "seed", "parameters"})
MOST = 10 * 365 * 86400  # ten years, if it is a time


@dataclass
class Fault:
    """One fault. The scope's members are shell patterns; `cluster` is for ids and names.

    `count` is how often it still acts, None without end; it acts with `probability`, drawn from
    a random generator of its own that starts with `seed`.
    """

    id: str
    kind: Kind
    service: str = EMR
    operation: str = "*"
    cluster: str = "*"
    principal: str = "*"
    count: int | None = None
    probability: float = 1.0
    seed: int = 0
    parameters: Document = field(default_factory=dict)
    fired: int = 0
    chance: random.Random = field(default_factory=random.Random)
    state: Any = None  # what its kind remembers

    def covers(self, clusters: Sequence[str]) -> bool:
        """Whether one of these cluster ids and names is in its scope."""
        return self.cluster == "*" or any(fnmatchcase(name, self.cluster) for name in clusters)

    def document(self) -> Document:
        """Return it as JSON shows it."""
        scope = {name: getattr(self, name) for name in SCOPE}
        return {
            "id": self.id,
            "kind": self.kind.name,
            **scope,
            "count": self.count,
            "probability": self.probability,
            "seed": self.seed,
            "parameters": self.parameters,
            "fired": self.fired,
        }


Listener = Callable[[Fault], None]


class FaultBook:
    """The faults of one box. `on_add` and `on_remove` are called for each, outside of the lock."""

    def __init__(self) -> None:
        self.on_add: list[Listener] = []
        self.on_remove: list[Listener] = []
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._faults: dict[str, Fault] = {}

    def add(self, document: Document) -> Fault:
        """Add a fault. Raises ValueError or TypeError with what is wrong in the document."""
        fault = _read(document, f"f-{next(self._numbers)}")
        with self._lock:
            self._faults[fault.id] = fault
        for listener in self.on_add:
            listener(fault)
        return fault

    def remove(self, fault_id: str) -> None:
        """Remove a fault; ValueError if there is none."""
        with self._lock:
            fault = self._faults.pop(fault_id, None)
        if fault is None:
            raise ValueError(f"there is no fault {fault_id}")
        for listener in self.on_remove:
            listener(fault)

    def clear(self) -> None:
        """Remove all."""
        for fault in self.all():
            self.remove(fault.id)

    def all(self) -> list[Fault]:
        """Return all active faults, also those that have acted as often as they should."""
        with self._lock:
            return list(self._faults.values())

    def is_on(self, fault: Fault) -> bool:
        """Whether it has not been removed."""
        with self._lock:
            return fault.id in self._faults

    def of(self, *kinds: str | Where) -> list[Fault]:
        """Return those of these kinds, by name or by what they act on, that may still act."""
        if not self._faults:
            return []
        with self._lock:
            return [
                fault
                for fault in self._faults.values()
                if (fault.kind.name in kinds or fault.kind.where in kinds) and fault.count != 0
            ]

    def spend(self, fault: Fault) -> bool:
        """Decide whether the fault acts now; if so, count it."""
        with self._lock:
            if fault.id not in self._faults or fault.count == 0:
                return False
            if fault.chance.random() >= fault.probability:
                return False
            fault.fired += 1
            if fault.count is not None:
                fault.count -= 1
            return True

    def acting(self, kind: str, clusters: Sequence[str]) -> Fault | None:
        """Return the first fault of a kind that acts on this cluster now; None if none does."""
        return next((f for f in self.of(kind) if f.covers(clusters) and self.spend(f)), None)


def _read(document: Document, fault_id: str) -> Fault:
    kind = KINDS.get(str(document.get("kind")))
    if kind is None:
        raise ValueError(f"kind: one of {', '.join(KINDS)}")
    if unknown := set(document) - KNOWN:
        raise ValueError(f"unknown: {', '.join(sorted(unknown))}; known are {', '.join(sorted(KNOWN))}")
    for name in SCOPE:
        if not isinstance(document.get(name, ""), str):
            raise TypeError(f"{name}: a pattern")
    count = document.get("count", kind.count)
    if count is not None and (isinstance(count, bool) or not isinstance(count, int) or count < 1):
        raise ValueError("count: 1 or more, or null for no end")
    probability, seed = document.get("probability", 1.0), document.get("seed", 0)
    if isinstance(probability, bool) or not isinstance(probability, (int, float)) or not 0 < probability <= 1:
        raise ValueError("probability: above 0, at most 1")
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise TypeError("seed: a whole number")
    scope = {name: document[name] for name in SCOPE if name in document}
    parameters = _parameters(kind, document.get("parameters", {}))
    return Fault(
        fault_id,
        kind,
        **scope,
        count=count,
        probability=float(probability),
        seed=seed,
        parameters=parameters,
        chance=random.Random(seed),  # noqa: S311  # it must repeat itself
        state=kind.new_state(**parameters),
    )


def _parameters(kind: Kind, given: Any) -> Document:
    if not isinstance(given, dict):
        raise TypeError("parameters: an object")
    if unknown := set(given) - set(kind.parameters):
        known = ", ".join(kind.parameters) or "none"
        raise ValueError(f"{kind.name} has no parameter {', '.join(sorted(unknown))}; it has {known}")
    return {
        name: _value(name, given[name], parameter.default) if name in given else parameter.default
        for name, parameter in kind.parameters.items()
    }


def _value(name: str, value: Any, default: Any) -> Any:
    if isinstance(default, str):
        if not isinstance(value, str):
            raise TypeError(f"{name}: text")
        return value
    wanted = int if isinstance(default, int) else (int, float)
    if isinstance(value, bool) or not isinstance(value, wanted):
        raise TypeError(f"{name}: a {'whole number' if wanted is int else 'number'}")
    if not 0 <= value <= MOST:
        raise ValueError(f"{name}: not below 0, nor above {MOST}")
    return value
