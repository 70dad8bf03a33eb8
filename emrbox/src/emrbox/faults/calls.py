"""Faults of calls, injected into the AWS endpoint (aws/call_hook.py)."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from emrbox.aws.call_hook import NO_EFFECT, CallEffect, CallFacts
from emrbox.faults.kinds.kind import CallKind, Where

if TYPE_CHECKING:
    from emrbox.faults.book import Fault, FaultBook


class CallFaults:
    """Decides what happens to calls."""

    def __init__(self, book: FaultBook) -> None:
        self._book = book

    @property
    def is_active(self) -> bool:
        """Whether a fault of calls is on."""
        return bool(self._book.of(Where.CALL))

    def effect_on(self, call: CallFacts) -> CallEffect:
        """Return what happens to a call; the first fault that acts decides."""
        for fault in self._book.of(Where.CALL):
            kind = fault.kind
            if isinstance(kind, CallKind) and _is_in_scope(kind, fault, call):
                effect = kind.effect(fault, call)
                if effect is not None and self._book.spend(fault):
                    return effect
        return NO_EFFECT


def _is_in_scope(kind: CallKind, fault: Fault, call: CallFacts) -> bool:
    return (
        fnmatchcase(call.service, kind.service)
        and fnmatchcase(call.operation, kind.operation)
        and fnmatchcase(call.service, fault.service)
        and fnmatchcase(call.operation, fault.operation)
        and fnmatchcase(call.principal or "", fault.principal)
        and fault.covers(call.clusters)
    )
