"""The phases of a run as data: what each one is, what it needs, and the exit code of its failure.

The command line, the reserved names, the checks before a launch, the driver and the runner of the playbooks
read this table. It stands in the package's root because settings may import nothing else.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from kiln.exit_codes import ExitCode


class Work(Enum):
    """How a phase is done."""

    PLAYBOOK = "playbook"
    STEP = "step"
    TERMINATE = "terminate"


class Need(Enum):
    """What a phase works with. runs/preflight.py has the checks of those that can be checked before."""

    CLUSTER = "cluster"  # one of this run that was launched before
    NODES = "nodes"  # over SSH
    MODEL_REPO = "model repo"
    OS_PACKAGES = "OS packages"
    PYTHON_ENVIRONMENT = "Python environment"
    VAULT = "vault"
    PACKER = "Packer"
    RELEASE = "EMR release"


class Phase(NamedTuple):
    """One row of the table. `failure` is the exit code when an error has none of its own.

    A phase that `launches` makes a cluster: it is watched, and an interrupted one is ended. One `on_request`
    is no part of a whole run: ACTIONS has to name it.
    """

    name: str
    work: Work
    failure: ExitCode
    needs: frozenset[Need] = frozenset()
    launches: bool = False
    on_request: bool = False


LAUNCH = Phase(
    "launch",
    Work.PLAYBOOK,
    ExitCode.LAUNCH,
    frozenset({Need.RELEASE, Need.MODEL_REPO}),
    launches=True,
)
PROVISION = Phase(
    "provision",
    Work.PLAYBOOK,
    ExitCode.PROVISION,
    frozenset({Need.CLUSTER, Need.NODES, Need.OS_PACKAGES, Need.PYTHON_ENVIRONMENT}),
)
DEPLOY = Phase(
    "deploy",
    Work.PLAYBOOK,
    ExitCode.PROVISION,
    frozenset({Need.CLUSTER, Need.NODES, Need.MODEL_REPO, Need.VAULT}),
)
ROLLBACK = Phase(
    "rollback",
    Work.PLAYBOOK,
    ExitCode.PROVISION,
    frozenset({Need.CLUSTER, Need.NODES}),
    on_request=True,
)
# Stands for each step of the pipeline, under the step's own name.
STEP = Phase("step", Work.STEP, ExitCode.STEP_FAILED, frozenset({Need.CLUSTER}))
TERMINATE = Phase("terminate", Work.TERMINATE, ExitCode.NOT_TERMINATED)

# An action of its own, for no run and no cluster: an image is there for the launches that come after it.
BAKE_IMAGE = Phase(
    "bake_image",
    Work.PLAYBOOK,
    ExitCode.PROVISION,
    frozenset({Need.NODES, Need.OS_PACKAGES, Need.PYTHON_ENVIRONMENT, Need.PACKER}),
)

# Provision and deploy in one, for nodes that joined later and for comparing them; no action of its own.
NODES = Phase(
    "nodes",
    Work.PLAYBOOK,
    ExitCode.PROVISION,
    PROVISION.needs | DEPLOY.needs,
)

# An action of its own, too: the checks of a whole run, and nothing after them. It is no phase of a run.
PREFLIGHT = "preflight"

# In the order of a whole run.
TABLE: tuple[Phase, ...] = (LAUNCH, PROVISION, DEPLOY, ROLLBACK, STEP, TERMINATE)
PLAYBOOKS: tuple[Phase, ...] = tuple(row for row in TABLE if row.work is Work.PLAYBOOK)
# What a whole run does before its steps.
BEFORE_STEPS: tuple[Phase, ...] = tuple(row for row in PLAYBOOKS if not row.on_request)
# Names that ACTIONS knows in every pipeline; no step, group, pipeline or environment may have one of them.
ACTIONS: tuple[str, ...] = (
    *(row.name for row in TABLE if row.work is not Work.STEP),
    BAKE_IMAGE.name,
    PREFLIGHT,
)
# Actions that work on no run: each is the only one of its command.
ALONE: tuple[str, ...] = (BAKE_IMAGE.name, PREFLIGHT)
