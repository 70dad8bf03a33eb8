"""Everything that can be found missing before a cluster costs money."""

from __future__ import annotations

import shlex
import shutil
import stat
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from kiln.emr import existing
from kiln.errors import AwsError, PreflightError, UnreachableError, UsageError
from kiln.identity import Identity
from kiln.ledger import store
from kiln.nodes import environment_digests, os_repositories
from kiln.nodes.wheels import Wheels
from kiln.phases import Need
from kiln.runs import model_repo_checks, release_checks
from kiln.settings import files, vault
from kiln.settings.problems import AllProblemsError
from kiln.stop import Stop

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kiln.aws.context import Context
    from kiln.aws.effects import Effects
    from kiln.runs.selection import Selection
    from kiln.settings.ansible_values import Question
    from kiln.settings.files import Source
    from kiln.settings.model import Access, Account, ClusterShape, Driver


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What is checked: a run's question, its settings, the AWS that they name. `stop` ends long checks."""

    question: Question
    driver: Driver
    shape: ClusterShape
    effects: Effects
    stop: Stop = field(default_factory=Stop)

    @classmethod
    def of(cls, question: Question, settings: tuple[Driver, ClusterShape], context: Context) -> Subject:
        """Return what is checked with AWS and the request to stop of a context."""
        driver, shape = settings
        return cls(question=question, driver=driver, shape=shape, effects=context.effects, stop=context.stop)

    def sources(self) -> Sequence[Source]:
        """Return the files and -e arguments that its settings come from."""
        asked = self.question
        return files.chain(asked.root, asked.environment, asked.pipeline, asked.extra)


def check(subject: Subject, selected: Selection) -> None:
    """Check at once all that the selected phases need. Raises the first error in the table's order."""
    wanted = [one for needs, one in _CHECKS if not needs or selected.needs(*needs)]
    with ThreadPoolExecutor(max_workers=len(wanted)) as pool:
        for outcome in [pool.submit(one, subject) for one in wanted]:
            try:
                outcome.result()
            except UsageError as error:
                raise _with_place(error, subject) from error


def _with_place(error: UsageError, subject: Subject) -> UsageError:
    """Return the error about a setting with the file and line, or -e, that the setting comes from."""
    if isinstance(error, AllProblemsError):
        return AllProblemsError([_with_place(one, subject) for one in error.found])
    place = error.message.partition(" ")[0]
    key = place.partition("[")[0]
    sources = [source for source in subject.sources() if key in source.values]
    if not sources:
        return error
    return UsageError(f"{sources[-1].at(place)}: {error.message}", fix=error.fix, details=error.details)


def check_account(effects: Effects) -> str:
    """Return the caller's ARN. Raises PreflightError when AWS refuses the keys or does not answer."""
    try:
        return effects.caller_identity()
    except AwsError as error:
        if isinstance(error, UnreachableError):  # names the endpoint, and what to do
            raise
        raise PreflightError(
            error.message, fix=error.fix or "check aws_profile and aws_config_file; try again"
        ) from error


def check_private_key(root: Path, settings: Access) -> None:
    """Raise PreflightError when ssh could not use the private key that the settings name."""
    name = settings.emr_cluster_private_key_file
    if not name:
        return
    file = root / name
    try:
        with file.open("rb") as stream:
            private = stream.readline().startswith(b"-----BEGIN ")
        shared = stat.S_IMODE(file.stat().st_mode) & 0o077
    except OSError as error:
        raise PreflightError(
            f"the private key {name} (emr_cluster_private_key_file) cannot be read: {error.strerror}",
            fix="put the key of emr_cluster_key_pair there, or correct the name",
        ) from error
    if not private:
        raise PreflightError(
            f"{name} (emr_cluster_private_key_file) is no private key",
            fix="name the file with the private half of emr_cluster_key_pair",
        )
    if shared:
        raise PreflightError(
            f"others may read the private key {name} (emr_cluster_private_key_file): ssh will not use it",
            fix=f"chmod 600 {shlex.quote(name)}",
        )


def check_cache(settings: Driver) -> None:
    """Raise PreflightError when the cache of wheels and model repos is needed and cannot be written."""
    if not (settings.model_repo_url or settings.emr_node_python_requirements):
        return
    folder = Path(settings.kiln_cache_dir)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise PreflightError(
            f"the cache {folder} (kiln_cache_dir) cannot be written: {error.strerror}",
            fix="make it writable, or set XDG_CACHE_HOME or kiln_cache_dir to a folder that is",
        ) from error


def check_packages(settings: Driver) -> None:
    """Raise UsageError for OS packages that no repository has, PreflightError when one cannot be asked."""
    packages, repositories = settings.emr_node_os_packages, settings.emr_node_os_repositories
    if packages and repositories:
        os_repositories.check(packages, repositories, Path(settings.kiln_cache_dir))


def check_wheels(subject: Subject) -> None:
    """Fetch the wheels of the Python environment into the cache, unless nodes have built it before.

    Raises UsageError when nodes could not install the lock file, PreflightError when that cannot be known.
    """
    driver = subject.driver
    if not driver.emr_node_python_requirements:
        return
    kept = environment_digests.Place(
        driver.kiln_state_uri, driver.kiln_environment, driver.emr_node_environment_hash
    )
    if environment_digests.read(subject.effects, kept):
        return
    wheels = Wheels(
        hash=driver.emr_node_environment_hash,
        python_version=driver.emr_node_python_version,
        architecture=driver.emr_node_architecture,
        requirements=driver.emr_node_python_requirements,
        checkout=subject.question.root,
        cache=Path(driver.kiln_cache_dir),
        stop=subject.stop,
    )
    wheels.file()


def check_state(effects: Effects, settings: Account, environment: str) -> None:
    """Raise PreflightError when the bucket of the ledgers is not there, or refuses, or does not answer."""
    try:
        effects.get_object(f"{store.folder(settings.kiln_state_uri, environment)}preflight")
    except AwsError as error:
        if isinstance(error, UnreachableError):  # names the endpoint, and what to do
            raise
        raise PreflightError(
            f"the ledgers' place {settings.kiln_state_uri} (kiln_state_uri) cannot be read: {error.message}",
            fix=error.fix or "make the bucket, or correct kiln_state_uri",
        ) from error


def check_vault(root: Path, environment: str, sources: Sequence[Source]) -> None:
    """Raise PreflightError unless the vault opens and has every secret that the settings ask for."""
    wanted = vault.wanted(sources)
    if not wanted:
        return
    held = vault.read(root, environment)
    missing = sorted(wanted - held.keys())
    if missing:
        raise PreflightError(
            f"vault/{environment}.yml has no {', '.join(missing)}",
            fix=vault.advice(root, environment, sources),
        )
    # Of other types YAML may have read another value than was written; the value is not shown.
    untyped = sorted(name for name in wanted if not isinstance(held[name], str))
    if untyped:
        raise PreflightError(
            f"{', '.join(untyped)} in vault/{environment}.yml is no text",
            fix=f"put it in quotes: {vault.edit_command(root, environment)}",
        )


def check_existing(subject: Subject) -> None:
    """Raise ClusterNotFoundError unless the existing cluster that the settings name may be used."""
    wanted, asked = subject.driver.emr_cluster_existing, subject.question
    if wanted.is_named:
        run = Identity(environment=asked.environment, pipeline=asked.pipeline, run_id=asked.run_id or "")
        existing.find(subject.effects, wanted, run)


def check_packer() -> None:
    """Raise PreflightError when there is no Packer on the PATH."""
    if shutil.which("packer") is None:
        raise PreflightError(
            "there is no packer on the PATH: it bakes the images",
            fix="apt-get install packer, or put HashiCorp's binary on the PATH (packer/README.md)",
        )


# A check is made when one phase of the run has all of these needs; one without needs is always made.
# Absence (no model repo, no Python environment, no secret) is the check's own to see, from the settings.
_CHECKS: tuple[tuple[tuple[Need, ...], Callable[[Subject], object]], ...] = (
    ((Need.PYTHON_ENVIRONMENT,), lambda one: check_cache(one.driver)),
    ((Need.MODEL_REPO, Need.NODES), lambda one: check_cache(one.driver)),
    ((Need.NODES,), lambda one: check_private_key(one.question.root, one.driver)),
    ((Need.MODEL_REPO,), lambda one: model_repo_checks.check_version(one.question.root, one.driver)),
    (
        (Need.MODEL_REPO, Need.NODES),
        lambda one: model_repo_checks.check_archive(one.question.root, one.driver),
    ),
    ((Need.VAULT,), lambda one: check_vault(one.question.root, one.question.environment, one.sources())),
    ((Need.PACKER,), lambda _: check_packer()),
    ((), lambda one: check_account(one.effects)),
    ((), lambda one: check_state(one.effects, one.driver, one.question.environment)),
    ((), check_existing),
    ((Need.RELEASE,), lambda one: release_checks.check(one.effects, one.driver, one.shape)),
    ((Need.PYTHON_ENVIRONMENT,), check_wheels),
    ((Need.OS_PACKAGES,), lambda one: check_packages(one.driver)),
)
