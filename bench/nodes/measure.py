"""Go through the chains: every contender, round by round, in an order that differs each time."""

from __future__ import annotations

import subprocess
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nodes import resets, timing
from nodes.commands import Turn
from nodes.figures import Figure, rounds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nodes.figures import Sample
    from nodes.fleet import Fleet
    from nodes.site import Site
    from nodes.tables import Chain

# The contenders of a Python environment that take an archive from S3, and the one that makes it.
_BUILDER = "kiln_build"
_SEED = 10


class Measurement:
    """The measurement on one set of nodes. `s3` is the control host's client."""

    def __init__(self, nodes: Fleet, site: Site, s3: Any, environment: dict[str, str]) -> None:
        self._nodes, self._site, self._s3, self._environment = nodes, site, s3, environment

    def chain(self, chain: Chain, count: int, most_rounds: int) -> Iterator[Figure]:
        """Measure one chain on so many nodes."""
        self._nodes.grow(count)
        addresses = self._nodes.addresses[:count]
        if "environments" in chain.phases[0].resets:
            self._provide_archive()
        samples: dict[tuple[str, str], list[Sample]] = defaultdict(list)
        for number, contender in rounds(chain.counts(most_rounds), _SEED):
            if contender == _BUILDER:
                resets.forget_archive(self._s3)
            for phase in chain.phases_of(contender):
                resets.reset(phase.resets, self._nodes, addresses, self._site)
                sample = self._run(chain.key, contender, count)
                samples[phase.key, contender].append(sample)
                shown = f"{sample.seconds:8.2f} s, cpu {sample.cpu_seconds:.2f} s"
                print(f"round {number + 1}  {phase.key:14} {contender:20} {shown}", flush=True)
        for (phase_key, contender), found in samples.items():
            yield Figure(phase=phase_key, contender=contender, samples=tuple(found))

    def _run(self, chain: str, contender: str, count: int) -> Sample:
        # A short path: the name of a socket has 108 characters at most.
        with tempfile.TemporaryDirectory(prefix="kb-") as name:
            folder = Path(name)
            inventory, lines = self._site.inventories(count)
            variables = self._site.variables(chain, resets.archive(self._s3))
            turn = Turn(chain, inventory, lines, variables, folder)
            command = turn.command(contender)
            environment = {**self._environment, **command.environment}
            try:
                return timing.measured(
                    timing.Command(command.argv, environment),
                    folder,
                    self._site.folder / f"{chain}-{contender}.log",
                )
            finally:
                _close(turn.sockets)

    def _provide_archive(self) -> None:
        """Let Kiln make the archive that others unpack, unless it is there."""
        if not resets.archive(self._s3):
            address = self._nodes.addresses[:1]
            resets.reset(("environments",), self._nodes, address, self._site)
            self._run("environment", "kiln", 1)


def _close(sockets: Path) -> None:
    """End the connections that ssh keeps open for the next task: each run connects anew."""
    for socket in sockets.glob("*"):
        subprocess.run(
            ["ssh", "-F", "none", "-o", f"ControlPath={socket}", "-O", "exit", "node"],
            check=False,
            capture_output=True,
            timeout=30,
        )
