"""A node after its third release, of which it keeps two."""

import releases
from testinfra.host import Host

ROOT = "/opt/kiln/models/model_repo"


def test_the_new_release_is_the_current_one(host: Host) -> None:
    assert host.check_output(f"readlink {ROOT}/current") == f"releases/{releases.commit_of('v3')}"
    assert host.file(f"{ROOT}/current/jobs/sd.py").content_string == "print(3)\n"


def test_the_release_before_stays_for_a_rollback_and_the_oldest_is_pruned(host: Host) -> None:
    assert releases.on(host, ROOT) == {releases.commit_of("v2"), releases.commit_of("v3")}
    assert host.file(f"{ROOT}/releases/{releases.commit_of('v2')}/jobs/sd.py").content_string == "print(2)\n"
