"""Two nodes with the same Python environment, which one of them has built."""

import environments
import scenario
from testinfra.host import Host

NAME = environments.name_of("molecule/emr_node_alternative/requirements.txt")


def test_every_node_has_the_environment(host: Host) -> None:
    assert environments.finished(host) == {NAME}
    assert environments.version_of(host, NAME, "idna") == "3.10"


def test_only_root_can_change_the_environment(host: Host) -> None:
    assert host.check_output("find /opt/kiln ! -user root -o -perm /022 ! -type l") == ""


def test_one_node_has_built_the_environment_and_the_other_one_has_unpacked_it() -> None:
    # An archive has whole seconds.
    times = [node.check_output(f"stat -c %.9Y /opt/kiln/envs/{NAME}/pyvenv.cfg") for node in scenario.nodes()]
    assert len({time.split(".")[0] for time in times}) == 1
    assert [time.endswith(".000000000") for time in sorted(times)] == [True, False]
