"""A node after an upgrade of its definition."""

import environments
from testinfra.host import Host

OLDER, NEWER = "molecule/emr_node_upgrade/older.txt", "molecule/emr_node_upgrade/requirements.txt"


def test_the_added_package_is_there_beside_the_older_one(host: Host) -> None:
    assert host.run("rpm -q --whatprovides jq tree").rc == 0


def test_the_environment_of_the_new_lock_file_is_there(host: Host) -> None:
    assert environments.version_of(host, environments.name_of(NEWER), "six") == "1.16.0"


def test_the_older_environment_stays_for_jobs_that_run_in_it(host: Host) -> None:
    assert environments.finished(host) == {environments.name_of(OLDER), environments.name_of(NEWER)}
    assert environments.version_of(host, environments.name_of(OLDER), "six") == "1.15.0"
