"""A node with the newest commit of the branch."""

import releases
from testinfra.host import Host

ROOT = "/opt/kiln/models/model_repo"


def test_the_branch_is_the_current_release(host: Host) -> None:
    assert releases.on(host, ROOT) == {releases.commit_of("main")}
    assert host.check_output(f"readlink {ROOT}/current") == f"releases/{releases.commit_of('main')}"
    assert host.check_output(f"cat {ROOT}/current/.kiln-release") == releases.commit_of("main")


def test_jobs_are_as_they_were_committed(host: Host) -> None:
    jobs = f"{ROOT}/current/jobs"
    assert host.file(f"{jobs}/sd.py").content_string == "print(3)\n"
    assert host.file(f"{jobs}/sd.py").mode == 0o644
    assert host.file(f"{jobs}/train.sh").mode == 0o755
    assert host.check_output(f"readlink {jobs}/latest.sh") == "train.sh"


def test_every_user_reads_the_release_and_only_root_can_change_it(host: Host) -> None:
    with host.sudo("nobody"):
        assert host.run(f"cat {ROOT}/current/jobs/sd.py").rc == 0
    assert host.check_output(f"find {ROOT} ! -user root -o -perm /022 ! -type l") == ""


def test_no_history_comes_along(host: Host) -> None:
    assert host.check_output(f"find {ROOT} -name .git") == ""
