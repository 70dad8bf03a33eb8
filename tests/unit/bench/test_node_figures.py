from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from nodes import commands, resets, tables, targets, timing
from nodes.figures import merged, rounds

if TYPE_CHECKING:
    from collections.abc import Callable

    from nodes.figures import Report

SCRIPTS = Path(commands.__file__).parent / "scripts"
NAMES = [f"contender_{number}" for number in range(6)]


def test_every_contender_has_one_turn_in_each_of_its_rounds() -> None:
    turns = list(rounds(dict.fromkeys(NAMES, 4) | {"slow": 2}, seed=1))
    for number in range(4):
        slow = ["slow"] if number < 2 else []
        assert sorted(name for one, name in turns if one == number) == NAMES + slow


def test_the_order_differs_between_rounds_and_is_the_same_for_the_same_seed() -> None:
    turns = list(rounds(dict.fromkeys(NAMES, 4), seed=1))
    assert turns == list(rounds(dict.fromkeys(NAMES, 4), seed=1))
    assert len({tuple(name for one, name in turns if one == number) for number in range(4)}) > 1


def test_a_figure_is_the_median_of_its_runs(report: Callable[..., Report]) -> None:
    figure = report({("cold", "kiln"): (9.0, 1.0, 2.0)}).figure("cold", "kiln")
    assert figure is not None
    assert (figure.median, figure.cpu_median) == (2.0, 1.0)


def test_chains_that_were_not_measured_again_keep_their_numbers(report: Callable[..., Report]) -> None:
    old = report({("cold", "kiln"): (9.0,), ("cold", "rsync"): (5.0,), ("deploy", "kiln"): (4.0,)})
    both = merged(old, report({("cold", "kiln"): (3.0,)}))
    assert {(one.phase, one.contender): one.median for one in both.figures} == {
        ("cold", "kiln"): 3.0,
        ("deploy", "kiln"): 4.0,
    }


def test_numbers_of_another_machine_are_not_kept(report: Callable[..., Report]) -> None:
    old, new = report({("deploy", "kiln"): (4.0,)}), report({("cold", "kiln"): (3.0,)})
    other = msgspec.structs.replace(old, machine=msgspec.structs.replace(old.machine, cores=64))
    assert merged(other, new) == new
    assert merged(None, new) == new


@pytest.mark.parametrize(
    ("times", "shown", "reached"),
    [
        ({("cold", "kiln"): (2.0,), ("cold", "pyinfra"): (4.0,)}, "0.5 times", "yes"),
        ({("cold", "kiln"): (4.0,), ("cold", "pyinfra"): (2.0,)}, "2.0 times", "**no**"),
        ({("cold", "kiln"): (2.0,), ("cold", "ansible"): (16.0,)}, "8.0 times", "yes"),
        ({("cold", "kiln"): (2.0,), ("cold", "ansible"): (15.0,)}, "7.5 times", "**no**"),
        ({("nothing", "kiln"): (1.9,), ("nothing", "ansible_start"): (1.0,)}, "+0.90 s", "yes"),
        ({("nothing", "kiln"): (2.1,), ("nothing", "ansible_start"): (1.0,)}, "+1.10 s", "**no**"),
        # 8 s and 2 s: 4 s and 1 s of the processor, on 200 nodes.
        (
            {("many_nothing", "kiln_engine"): (8.0,), ("many_nothing", "openssh_command"): (2.0,)},
            "15.0 ms a node",
            "**no**",
        ),
    ],
)
def test_a_target_is_compared_with_what_was_measured(
    report: Callable[..., Report], times: dict[tuple[str, str], tuple[float, ...]], shown: str, reached: str
) -> None:
    assert [row[2:] for row in targets.rows(report(times))] == [(shown, reached)]


def test_a_target_whose_contenders_were_not_measured_is_left_out(report: Callable[..., Report]) -> None:
    assert targets.rows(report({("cold", "kiln"): (2.0,)})) == []


def test_the_tables_name_only_what_is_there() -> None:
    phases = [phase for chain in tables.CHAINS for phase in chain.phases]
    contenders = {name for chain in tables.CHAINS for name in chain.does}
    assert len({phase.key for phase in phases}) == len(phases)
    assert contenders == set(tables.CONTENDERS)
    assert contenders == set(commands._MAKERS)
    assert all({*chain.slow, *chain.brief} <= set(chain.does) for chain in tables.CHAINS)
    assert {name for phase in phases for name in phase.resets} <= set(resets._LINES)
    taking_part = {
        (phase.key, name) for chain in tables.CHAINS for name in chain.does for phase in chain.phases_of(name)
    }
    assert {key for target in targets.TARGETS for key in (target.one, target.other)} <= taking_part


def test_a_slow_contender_takes_part_in_fewer_rounds_and_phases() -> None:
    (chain,) = (one for one in tables.CHAINS if one.key == "provision")
    assert (chain.counts(9)["old_way"], chain.counts(9)["kiln"], chain.counts(2)["kiln"]) == (1, 3, 2)
    assert [phase.key for phase in chain.phases_of("old_way")] == ["cold"]
    assert chain.phases_of("kiln") == list(chain.phases)


@pytest.mark.parametrize("target", targets.TARGETS, ids=lambda target: target.what)
def test_a_target_has_one_limit(target: targets.Target) -> None:
    assert (target.most is None) != (target.least is None)


def test_a_command_that_fails_is_reported_with_the_end_of_its_output(tmp_path: Path) -> None:
    command = timing.Command(["sh", "-c", "seq 100; echo no such node >&2; exit 3"], {})
    with pytest.raises(RuntimeError, match=r"(?s)exit code 3.*99\n100\nno such node"):
        timing.measured(command, tmp_path, tmp_path / "log")


def test_a_command_gets_its_variables_and_its_children_are_counted(tmp_path: Path) -> None:
    # Without exec: a child does the work.
    line = 'awk "BEGIN { while (n++ < 3000000) }"; echo "$BENCH_NAME"'
    sample = timing.measured(
        timing.Command(["sh", "-c", line], {"BENCH_NAME": "kiln"}), tmp_path, tmp_path / "log"
    )
    assert (tmp_path / "log").read_text().split() == ["kiln"]
    assert sample.cpu_seconds > 0


@pytest.mark.parametrize("script", ["openssh", "openssh_command"])
@pytest.mark.parametrize(("ssh", "code"), [("true", 0), ("false", 123)])
def test_a_fan_out_fails_when_a_node_fails(tmp_path: Path, script: str, ssh: str, code: int) -> None:
    (tmp_path / "nodes").write_text("node-1\nnode-2\n")
    (tmp_path / "tar").touch()
    given = {
        "NODES": str(tmp_path / "nodes"),
        "TAR": str(tmp_path / "tar"),
        "SSH": ssh,
        "PARALLEL": "2",
        "CHAIN": "deploy",
        "ROOT": "/opt/bench",
        "COMMIT": "c0ffee",
    }
    environment = {"PATH": os.environ["PATH"]} | {f"BENCH_{name}": value for name, value in given.items()}
    finished = subprocess.run(["bash", SCRIPTS / f"{script}.sh"], env=environment, check=False, timeout=60)
    assert finished.returncode == code
