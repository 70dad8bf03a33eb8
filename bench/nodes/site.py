"""What the contenders read on the control host: model repos, archives, inventories, variables."""

from __future__ import annotations

import hashlib
import json
import random
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from kiln.model_repo import git_archive
from kiln.model_repo.git_remote import Remote
from kiln.nodes.archives import S3Archives
from kiln.nodes.definition import Environment
from nodes import fleet
from nodes.tables import LARGE_FILES, PACKAGES, SMALL_FILES, TOP_PACKAGES

if TYPE_CHECKING:
    from collections.abc import Sequence

CHECKOUT = Path(__file__).resolve().parents[2]
LOCK, PYTHON, ARCHITECTURE = "requirements/model_building.txt", "3.11", "x86_64"
_STATE = f"s3://{fleet.BUCKET}/kiln"
_NAME = "bench"
_AUTHOR = ("-c", "user.name=bench", "-c", "user.email=bench@example.com")


class Repo(NamedTuple):
    """A model repo: files, git's data, a plain tar file of the files, the release as Kiln packs it."""

    files: Path
    remote: Path
    commit: str
    tar: Path
    archive: Path
    sha256: str


def environment() -> Environment:
    """Return the Python environment of the pipeline model_building."""
    text = (CHECKOUT / LOCK).read_text().rstrip() + PYTHON + ARCHITECTURE
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    return Environment(
        hash=digest,
        path=f"/opt/kiln/envs/{digest}",
        state_uri=_STATE,
        python_version=PYTHON,
        architecture=ARCHITECTURE,
        requirements=LOCK,
    )


def wheels(cache: Path) -> Path:
    """Return the tar file with the wheels of the lock file; fetched by hash unless the cache has it."""

    def no_aws() -> Any:
        raise RuntimeError("wheels come from the index that pip uses")

    item = environment()
    archives = S3Archives(item=item, environment="local", checkout=CHECKOUT, cache=cache, effects=no_aws)
    return archives.wheels()


class Site:
    """A folder with everything in it. `cache` keeps wheels from one measurement to the next."""

    def __init__(self, folder: Path, cache: Path, nodes: fleet.Fleet) -> None:
        self.folder, self._cache, self._nodes = folder, cache, nodes
        # For model repos: it is emptied before a deploy.
        self.own_cache = folder / "cache"
        self.small = self._repo("small", SMALL_FILES)
        self.large = self._repo("large", LARGE_FILES)

    def inventories(self, count: int) -> tuple[Path, Path]:
        """Write the first `count` nodes for Ansible, and as lines; return both files."""
        addresses = self._nodes.addresses[:count]
        variables = {
            "ansible_user": fleet.USER,
            "ansible_ssh_private_key_file": str(self._nodes.key),
            "ansible_python_interpreter": "/usr/bin/python3",
            "ansible_ssh_common_args": " ".join(
                f"-o {option}"
                for option in (
                    f"UserKnownHostsFile={self._nodes.known_hosts}",
                    "StrictHostKeyChecking=yes",
                    "IdentitiesOnly=yes",
                )
            ),
        }
        groups = {"emr_target": {"hosts": {address: {} for address in addresses}, "vars": variables}}
        inventory, lines = self.folder / f"nodes_{count}.yml", self.folder / f"nodes_{count}.txt"
        inventory.write_text(json.dumps(groups))
        lines.write_text("\n".join(addresses) + "\n")
        return inventory, lines

    def variables(self, chain: str, archive: str) -> dict[str, Any]:
        """Return what the contenders of a chain are given. `archive`: of the Python environment in S3."""
        repo = self.large if chain == "deploy" else self.small
        cache = self.own_cache if chain == "deploy" else self._cache
        packages = ["rsync"] if chain == "many" else list(PACKAGES)
        item = environment()
        return {
            "bench_chain": chain,
            "bench_packages": packages,
            "bench_files": str(repo.files),
            "bench_names": sorted(str(path.relative_to(repo.files)) for path in _files(repo.files)),
            "bench_tar": str(repo.tar),
            "bench_remote": str(repo.remote),
            "bench_commit": repo.commit,
            "bench_root": "/opt/bench",
            "bench_python": f"python{PYTHON}",
            "bench_requirements": f"{fleet.MIRROR}/requirements.txt",
            "bench_python_packages": list(TOP_PACKAGES),
            "bench_environment_path": item.path,
            "bench_archive": archive,
            "bench_items": self._items(chain, repo, packages, item),
            "bench_ssh": self._nodes.options,
            "bench_user": fleet.USER,
            "bench_key": str(self._nodes.key),
            "bench_known_hosts": str(self._nodes.known_hosts),
            "kiln_environment": "local",
            "kiln_checkout": str(CHECKOUT),
            "kiln_cache_dir": str(cache),
            "aws_region": "us-east-1",
            "aws_profile": "",
            "aws_config_file": "",
        }

    @staticmethod
    def _items(
        chain: str, repo: Repo, packages: Sequence[str], environment: Environment
    ) -> list[dict[str, Any]]:
        """Return the definition for Kiln."""
        software = {"kind": "packages", "names": packages, "lock_timeout_seconds": 300}
        release = {"kind": "release", "name": _NAME, "commit": repo.commit, "kept": 3}
        release |= {"archive": str(repo.archive), "sha256": repo.sha256}
        fields = {
            name: getattr(environment, name) for name in environment.__struct_fields__ if name != "tags"
        }
        python = {"kind": "environment", **fields}
        items = {"deploy": [release], "environment": [python], "archive": [python]}
        return items.get(chain, [software, release])

    def _repo(self, name: str, count: int) -> Repo:
        """Make a repo of files as large as sources are, the same ones each time."""
        files, remote = self.folder / name, self.folder / f"{name}.git"
        generator = random.Random(count)  # noqa: S311  # texts, not secrets
        for number in range(count):
            path = files / f"package_{number // 50}" / f"module_{number}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            lines = (f"value_{generator.randrange(10**9)} = {generator.random()}\n" for _ in range(100))
            path.write_text("".join(lines))
        git = ["git", *_AUTHOR, f"--git-dir={remote}", f"--work-tree={files}"]
        subprocess.run(["git", "init", "-q", "-b", "main", "--bare", remote], check=True)
        for command in (["add", "."], ["commit", "-q", "-m", "Add files"]):
            subprocess.run([*git, *command], check=True)
        commit = subprocess.run(
            [*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True
        ).stdout
        with tarfile.open(self.folder / f"{name}.tar", "w") as tar:
            tar.add(files, arcname=".")
        source = Remote(url=str(remote), protocols=("file",))
        archive, digest = git_archive.archive(source, commit.strip(), name, self.folder / "models")
        return Repo(files, remote, commit.strip(), self.folder / f"{name}.tar", archive, digest)


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def python_of(name: str) -> Path:
    """Return the folder of the programs of an environment that scripts/setup --bench has made."""
    folder = CHECKOUT / ".venvs" / f"bench_{name}" / "bin"
    if not folder.is_dir():
        sys.exit(f"{folder.parent} is missing; run: scripts/setup --bench")
    return folder
