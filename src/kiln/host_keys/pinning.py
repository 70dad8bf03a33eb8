"""Pin the host keys of nodes before the first connection to them: from the console output that EC2 has."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from kiln.aws.error_codes import REFUSALS
from kiln.clock import timestamp
from kiln.errors import AwsError, InterruptedRunError, KilnError
from kiln.host_keys import console
from kiln.host_keys.known_hosts import CONSOLE, FIRST_CONTACT, Decision

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kiln.aws.context import Context
    from kiln.host_keys.console import HostKey
    from kiln.host_keys.known_hosts import KnownHosts

# A key that is not read in this time is accepted at the first contact.
_SECONDS = 30.0
_AT_ONCE = 16
# Most types can show their console as it is now; what EC2 has kept from the start may not be there yet, and
# what it is now may have lost the start (docs/aws_facts.md 6.4).
_WHICH = (True, False)
_MOST_CHARACTERS = 200
_REMOVED = "the key that was pinned has been removed from the file"
_NO_KEYS = "its console output has no host keys"
# Of a few nodes the addresses are named.
_MOST_NAMED = 3


def pin(context: Context, known: KnownHosts, nodes: Mapping[str, str]) -> list[Decision]:
    """Pin the keys of the nodes (address by instance id) that have none yet; return what was decided.

    A node whose console output cannot be read, whatever the reason, is one of which ssh accepts the key at
    the first contact. Raises InterruptedRunError, and OSError when the files cannot be written.
    """
    names = known.names()
    new = {instance_id: address for instance_id, address in nodes.items() if instance_id not in names}
    if not new:
        return []
    # Somebody has removed their keys, as `known_hosts.problem` advises: the console still shows the old ones.
    removed = new.keys() & known.pinned_before()
    asked = _Consoles(context.within(_SECONDS)).read([one for one in new if one not in removed])
    found = [([], _REMOVED) if name in removed else asked[name] for name in new]
    now = timestamp(context.clock.now())
    decisions = [
        Decision(
            instance_id=instance_id,
            address=address,
            source=CONSOLE if keys else FIRST_CONTACT,
            decided_at=now,
            reason=reason,
            fingerprints=tuple(key.fingerprint for key in keys),
        )
        for (instance_id, address), (keys, reason) in zip(new.items(), found, strict=True)
    ]
    pinned = zip(new, found, strict=True)
    known.add((f"{name} {key.kind} {key.text}" for name, (keys, _) in pinned for key in keys), decisions)
    return decisions


class _Consoles:
    """Reads the consoles of many instances, and stops asking when EC2 refuses it for good."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._refused = ""

    def read(self, instance_ids: Sequence[str]) -> dict[str, tuple[list[HostKey], str]]:
        """Return for each instance its keys, or none and the reason."""
        # The first one alone: without the permission there is one refusal, and not one a node.
        found = [self._keys(one) for one in instance_ids[:1]]
        with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
            found += pool.map(self._keys, instance_ids[1:])
        return dict(zip(instance_ids, found, strict=True))

    def _keys(self, instance_id: str) -> tuple[list[HostKey], str]:
        reason = self._refused or _NO_KEYS
        for latest in () if self._refused else _WHICH:
            try:
                found = console.keys(self._context.effects.console_output(instance_id, latest=latest))
            except InterruptedRunError:
                raise
            except KilnError as error:
                reason = error.message[:_MOST_CHARACTERS]
                if isinstance(error, AwsError) and error.code in REFUSALS:
                    self._refused = reason
                    break
            else:
                if found:
                    return found, ""
                reason = _NO_KEYS
        return [], reason


def lines(decisions: Sequence[Decision]) -> list[str]:
    """Return what was decided, for people: a line for each source and reason."""
    groups: dict[tuple[str, str], list[str]] = {}
    for one in decisions:
        groups.setdefault((one.source, one.reason), []).append(one.address)
    return [
        f"host keys: {_count(addresses)} pinned from EC2's console output"
        if source == CONSOLE
        else f"host keys: {_count(addresses)} accepted at first contact: {reason}"
        for (source, reason), addresses in groups.items()
    ]


def _count(addresses: Sequence[str]) -> str:
    named = f" ({', '.join(addresses)})" if len(addresses) <= _MOST_NAMED else ""
    return f"{len(addresses)} node{'s' if len(addresses) > 1 else ''}{named}"
