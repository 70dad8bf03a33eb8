"""What is measured: chains of phases, who takes part, and what exactly each of them does.

In a chain every contender goes through all phases before it is the next one's turn.
"""

from __future__ import annotations

from typing import NamedTuple

PACKAGES = ("jq", "pigz", "tree")
SMALL_FILES, LARGE_FILES = 4, 1000
TOP_PACKAGES = ("numpy", "pandas<3", "psycopg[binary]", "py-radix", "scikit-learn")


class Phase(NamedTuple):
    """`resets`: what is removed from the nodes before it, outside of the measured time (resets.py)."""

    key: str
    title: str
    resets: tuple[str, ...]


class Chain(NamedTuple):
    """`nodes`, `rounds`: how many, unless options say otherwise. `does`: by contender, for the page.

    `slow`: contenders that take part in fewer rounds, and in how many. `brief`: those that do not go through
    all phases, and through which.
    """

    key: str
    nodes: int
    rounds: int
    phases: tuple[Phase, ...]
    does: dict[str, str]
    slow: dict[str, int]
    brief: dict[str, tuple[str, ...]]

    def counts(self, most: int) -> dict[str, int]:
        """Return by contender in how many rounds it takes part, `most` at most."""
        return {name: min(most, self.slow.get(name, self.rounds)) for name in self.does}

    def phases_of(self, contender: str) -> list[Phase]:
        """Return the phases that a contender goes through."""
        brief = self.brief.get(contender)
        return [phase for phase in self.phases if brief is None or phase.key in brief]


CONTENDERS = {
    "old_way": "The old way",
    "ansible": "Ansible, tuned",
    "ansible_synchronize": "Ansible, tuned: synchronize",
    "ansible_unarchive": "Ansible, tuned: unarchive",
    "mitogen": "Mitogen",
    "pyinfra": "pyinfra",
    "rsync": "rsync",
    "openssh": "OpenSSH, a shell script",
    "asyncssh": "asyncssh, one command",
    "openssh_command": "OpenSSH, one command",
    "kiln": "Kiln",
    "kiln_git": "Kiln, from a git remote",
    "kiln_build": "Kiln, no archive yet",
    "kiln_engine": "Kiln, its fan-out alone",
    "ansible_start": "Ansible's own start",
}

_START = "`ansible-playbook` with Kiln's settings, one play without tasks"
CHAINS = (
    Chain(
        "provision",
        20,
        3,
        (
            Phase("cold", "Provision, cold: OS packages and files", ("packages", "files")),
            Phase("files", "Provision, the OS packages are there: files", ("files",)),
            Phase("nothing", "Provision, nothing to do", ()),
        ),
        {
            "old_way": "Ansible's default settings, facts gathered; `git` here, `dnf` and `copy` in loops, "
            "a package and a file a time",
            "ansible": "20 forks, pipelining, ControlPersist, curve25519, no facts; `dnf` with a list, "
            "`file`, `copy` of the folder, `file` for the link",
            "mitogen": "the same playbook with Mitogen's strategy and 20 forks",
            "pyinfra": "`dnf.packages`, `files.directory`, `files.sync`, `files.link`",
            "openssh": "one `ssh` a node, all at once: `rpm -q || dnf install`, `tar -x`, `ln`; curve25519",
            "kiln": "the role `emr_node`: items `packages` and `release`",
            "ansible_start": _START,
        },
        {"old_way": 1, "ansible": 1, "mitogen": 1},
        {"old_way": ("cold",), "ansible_start": ("nothing",)},
    ),
    Chain(
        "deploy",
        20,
        3,
        (
            Phase("deploy", f"Deploy {LARGE_FILES:,} files", ("files",)),
            Phase("unchanged", f"Deploy {LARGE_FILES:,} files again, unchanged", ()),
        ),
        {
            "ansible_synchronize": "`ansible.posix.synchronize`, which starts rsync",
            "ansible_unarchive": "`unarchive` of a tar file with `creates`, `file` for the link",
            "mitogen": "the same playbook with Mitogen's strategy",
            "pyinfra": "`files.rsync`, which starts rsync",
            "rsync": "`rsync -a --delete`, one process a node, all at once",
            "openssh": "`tar` into one `ssh` a node, all at once, unless the release is there; `ln`; "
            "curve25519",
            "kiln": "the item `release` from its archive: SHA-256 compared, unpacked, switched by a "
            "rename, old releases removed",
            "kiln_git": "the same, with the role `model_repo`: the commit fetched and packed from a "
            "git remote",
            "ansible_start": _START,
        },
        {"ansible_synchronize": 1, "ansible_unarchive": 1, "mitogen": 1},
        {"ansible_start": ("unchanged",)},
    ),
    Chain(
        "environment",
        1,
        3,
        (Phase("environment", "Python environment, each its own way", ("environments",)),),
        {
            "old_way": "`pip` in a loop over the five names that the models import",
            "ansible": "`pip` with the lock file",
            "pyinfra": "`pip.packages` with the lock file",
            "kiln_build": "the wheels sent to the node, installed by uv, compiled, packed and put into S3",
            "kiln": "the archive from S3, its SHA-256 compared, unpacked",
            "ansible_start": _START,
        },
        {"old_way": 1, "ansible": 1},
        {},
    ),
    Chain(
        "archive",
        3,
        3,
        (Phase("archive", "Python environment, all from one archive in S3", ("environments",)),),
        {
            "ansible": "`aws s3 cp`, `unarchive` with `creates`",
            "pyinfra": "`aws s3 cp` and `tar -x` in `server.shell`",
            "openssh": "`aws s3 cp` and `tar -x`, one `ssh` a node",
            "kiln": "the item `environment`",
        },
        {"ansible": 1},
        {},
    ),
    Chain(
        "many",
        200,
        3,
        (
            Phase("many_files", "Many nodes: files", ("files",)),
            Phase("many_nothing", "Many nodes: nothing to do", ()),
        ),
        {
            "asyncssh": "`true` on every node; nothing else",
            "openssh_command": "`true` on every node, 32 processes of `ssh` at a time; nothing else; "
            "curve25519",
            "openssh": f"one `ssh` a node, 32 at a time: `tar -x` of {SMALL_FILES} files, `ln`; curve25519",
            "kiln_engine": "`kiln.nodes.fan_out`, which the action calls: items `packages` (one that is "
            "there) and `release`",
            "kiln": "the same through `ansible-playbook`",
        },
        {"kiln": 1, "openssh": 1},
        {},
    ),
)
