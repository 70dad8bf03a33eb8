"""Run the Molecule scenarios of the roles that touch nodes; `make molecule` calls it.

It starts the local AWS unless it runs, makes in it the account that `make local` makes, and runs as many
scenarios at once as there are cores. What a scenario prints is shown when it fails. To work on one scenario:

    .venv/bin/python scripts/run_molecule.py --role emr_node --scenario default converge
    (then verify, login, destroy, and what else Molecule has)
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

_CHECKOUT = Path(__file__).resolve().parent.parent
_BIN = _CHECKOUT / ".venv/bin"
_STATE = _CHECKOUT / ".molecule"


class Scenario(NamedTuple):
    """One folder of molecule/, such as emr_node_default."""

    role: str
    name: str

    def __str__(self) -> str:
        """Return the name of its folder."""
        return f"{self.role}_{self.name}"


def scenarios(checkout: Path) -> list[Scenario]:
    """Return all scenarios. A scenario's own name has no underscore."""
    folders = (file.parent.name for file in sorted(checkout.glob("molecule/*/molecule.yml")))
    return [Scenario(role, name) for role, _, name in (folder.rpartition("_") for folder in folders)]


def chosen(found: list[Scenario], role: str, name: str) -> list[Scenario]:
    """Return the scenarios of a role and with a name; empty for all. Raises SystemExit when there is none."""
    fitting = [one for one in found if role in {"", one.role} and name in {"", one.name}]
    if not fitting:
        raise SystemExit(
            f"molecule: no scenario {role or '*'}_{name or '*'}; there are {', '.join(map(str, found))}"
        )
    return fitting


def _environment(sockets: str) -> dict[str, str]:
    """Return the variables for Molecule: nothing of the caller's shell chooses account or settings."""
    foreign = ("ANSIBLE_", "AWS_", "KILN_", "MOLECULE_")
    # Molecule starts Ansible some ten times for a scenario; compiling it each time doubles the time.
    own = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    own = {name: value for name, value in own.items() if not name.startswith(foreign)}
    printed = subprocess.run([_BIN / "emrbox", "env"], check=True, capture_output=True, text=True).stdout
    local_aws = dict(word.split("=", 1) for word in shlex.split(printed) if word.startswith("AWS_"))
    return {
        **own,
        **local_aws,
        "LC_ALL": "C.UTF-8",  # Ansible works in no locale without UTF-8
        "PATH": f"{_BIN}:{own['PATH']}",
        "MOLECULE_COMMAND_BORDERS": "0",
        # Sockets of SSH connections: their paths have to be short.
        "KILN_MOLECULE_SOCKETS": sockets,
    }


def _molecule(scenario: Scenario, verb: str, environment: dict[str, str]) -> list[str]:
    environment["MOLECULE_EPHEMERAL_DIRECTORY"] = str(_STATE / str(scenario))
    return ["molecule", verb, "--scenario-name", str(scenario)]


def _test(scenario: Scenario, environment: dict[str, str]) -> bool:
    """Test one scenario on instances of its own; return whether it has passed."""
    started, own = time.monotonic(), dict(environment)
    verbs = (
        ("destroy", "test") if (_STATE / str(scenario)).exists() else ("test",)
    )  # an earlier one was interrupted
    for verb in verbs:
        done = subprocess.run(
            _molecule(scenario, verb, own),
            cwd=_CHECKOUT,
            env=own,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    shutil.rmtree(_STATE / str(scenario), ignore_errors=True)
    has_passed = done.returncode == 0
    said = "passed" if has_passed else f"failed\n{done.stdout}"
    print(f"molecule: {scenario!s:<26} {time.monotonic() - started:3.0f} s  {said}", flush=True)
    return has_passed


def _run(found: list[Scenario], verb: str) -> bool:
    with tempfile.TemporaryDirectory(prefix="kiln-molecule-") as sockets:
        environment = _environment(sockets)
        subprocess.run([_BIN / "python", _CHECKOUT / "examples/demo/account.py"], env=environment, check=True)
        if verb != "test":
            commands = [_molecule(one, verb, environment) for one in found]
            return all(
                subprocess.run(one, cwd=_CHECKOUT, env=environment, check=False).returncode == 0
                for one in commands
            )
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return all(list(pool.map(lambda one: _test(one, environment), found)))


def main(arguments: list[str]) -> int:
    """Run what the command line names; return the exit code."""
    parser = argparse.ArgumentParser(description="Run Molecule scenarios on instances of the local AWS.")
    parser.add_argument("--role", default="", help="only the scenarios of this role")
    parser.add_argument(
        "--scenario", default="", help="only scenarios with this name: default, alternative, upgrade"
    )
    parser.add_argument(
        "verb", nargs="?", default="test", help="Molecule's command; other than test needs one scenario"
    )
    given = parser.parse_args(arguments)
    found = chosen(scenarios(_CHECKOUT), given.role, given.scenario)
    if given.verb != "test" and len(found) != 1:
        parser.error(f"{given.verb} needs --role and --scenario: one of {', '.join(map(str, found))}")
    was_up = subprocess.run([_BIN / "emrbox", "status"], check=False, capture_output=True).returncode == 0
    subprocess.run([_BIN / "emrbox", "up"], check=True)
    try:
        return 0 if _run(found, given.verb) else 1
    finally:
        # An instance of another verb is there for the next one.
        if given.verb == "test" and not was_up:
            subprocess.run([_BIN / "emrbox", "down"], check=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
