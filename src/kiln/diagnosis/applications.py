"""The YARN applications of a step: in cluster mode they outlive its process, so they are killed by their ids.

Source: docs/aws_facts.md 1.5. The client of a step writes `Submitted application …` into the step's stderr.
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from kiln.diagnosis.node_logs import STEPS_FOLDER

if TYPE_CHECKING:
    from collections.abc import Callable

    from kiln.aws.context import Context
    from kiln.aws.effects import Cluster, Effects, Step
    from kiln.diagnosis.ssh import Ssh
    from kiln.emr.cancelling import Kill

# Each call of `yarn` starts a JVM, on a master that may be busy.
_SECONDS = 90
_MOST_BYTES = 64 * 1024
_MOST_APPLICATIONS = 20
_LINE = re.compile(r"^(killed|kept) (application_\d+_\d+)$", re.MULTILINE)


def killer(reach: Callable[[Context, str], Ssh]) -> Kill:
    """Return what kills the applications of steps; `reach` says how the nodes of a cluster are reached."""

    def kill_of(context: Context, cluster: Cluster, step: Step) -> str:
        return kill(context.effects, cluster, step, reach(context, cluster.id))

    return kill_of


def kill(effects: Effects, cluster: Cluster, step: Step, ssh: Ssh) -> str:
    """Kill the applications that a step has submitted and that have not finished; return what was done.

    Nothing when there are none. Raises what ListInstances raises.
    """
    nodes = effects.list_instances(cluster.id)
    masters = [node for node in nodes if node.group == "MASTER" and node.state == "RUNNING"]
    if not masters:
        return ""
    asked = ssh.knowing(masters[:1])
    answer = asked.read(masters[0].private_ip_address, _script(step.id), _MOST_BYTES, _SECONDS)
    if answer is None:
        return "its YARN applications, if any, were not killed: the master could not be asked over SSH"
    found = {kind: [one for what, one in _LINE.findall(answer.text) if what == kind] for kind in _SAYS}
    return "; ".join(f"{', '.join(ids)} {_SAYS[kind]}" for kind, ids in found.items() if ids)


_SAYS = {"killed": "was killed in YARN", "kept": "could not be killed in YARN"}


def _script(step_id: str) -> str:
    """Return a script that kills the applications of a step and prints a line about each that was running."""
    folder = f"{STEPS_FOLDER}/{shlex.quote(step_id)}"
    search = 'zgrep -ahoE "Submitted application application_[0-9]+_[0-9]+" "$1"/stderr*'
    return (
        f"for a in $(sudo -n sh -c {shlex.quote(search)} sh {folder} 2>/dev/null | cut -d' ' -f3 "
        f"| sort -u | tail -n {_MOST_APPLICATIONS}); do "
        'case "$(yarn application -kill "$a" 2>&1)" in '
        '*"Killed application"*) echo "killed $a";; *"already finished"*) ;; *) echo "kept $a";; esac; done'
    )
