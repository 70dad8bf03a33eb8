"""What uv and pip, which run for real, say of lock files that nodes cannot install."""

from __future__ import annotations

import hashlib
import shutil
import socket
import sys
import tarfile
import threading
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fakes import driver, shape

from kiln.errors import InterruptedRunError, KilnError, PreflightError, UsageError
from kiln.nodes import environment_digests
from kiln.nodes.wheels import Wheels
from kiln.runs import preflight
from kiln.settings.ansible_values import Question
from kiln.stop import Stop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fakes import FakeAws

CHECKOUT = Path(__file__).resolve().parents[3]
SCRIPT = "roles/emr_node/files/fetch_wheels.sh"
LABEL = "requirements/daily.txt"
ANY = "py3-none-any"


class World:
    """A small checkout, a cache, and a folder of wheels that pip and uv take for the index."""

    def __init__(self, folder: Path) -> None:
        self.checkout, self.wheels, self.cache = folder / "checkout", folder / "wheels", folder / "cache"
        for made in (self.checkout / "requirements", self.wheels, (self.checkout / SCRIPT).parent):
            made.mkdir(parents=True)
        shutil.copy(CHECKOUT / SCRIPT, self.checkout / SCRIPT)
        uv = self.wheel("uv", "1.0", scripts={"uv": "#!/bin/sh\n"})
        (self.checkout / "requirements/nodes.txt").write_text(f"{uv}\n")

    def wheel(
        self, name: str, version: str, *needs: str, tag: str = ANY, scripts: dict[str, str] | None = None
    ) -> str:
        """Make a wheel, and return its line of a lock file."""
        path, about = self.wheels / f"{name}-{version}-{tag}.whl", f"{name}-{version}.dist-info"
        files = {
            f"{name}.py": "",
            f"{about}/METADATA": "".join(
                f"{line}\n"
                for line in (
                    "Metadata-Version: 2.1",
                    f"Name: {name}",
                    f"Version: {version}",
                    *(f"Requires-Dist: {need}" for need in needs),
                )
            ),
            f"{about}/WHEEL": f"Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: {tag}\n",
            f"{about}/RECORD": "",
            **{f"{name}-{version}.data/scripts/{file}": text for file, text in (scripts or {}).items()},
        }
        with zipfile.ZipFile(path, "w") as opened:
            for file, text in files.items():
                opened.writestr(file, text)
        return f"{name}=={version} --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"

    def of(self, *lines: str, stop: Stop | None = None, python_version: str = "3.11") -> Wheels:
        """Return the wheels of a lock file with these lines."""
        (self.checkout / LABEL).write_text("".join(f"{line}\n" for line in lines))
        return Wheels(
            hash="0" * 16,
            python_version=python_version,
            architecture="x86_64",
            requirements=LABEL,
            checkout=self.checkout,
            cache=self.cache,
            stop=stop or Stop(),
        )

    def refusal(self, *lines: str) -> KilnError:
        """Return the error about a lock file with these lines; nothing is in the cache then."""
        with pytest.raises(KilnError) as error:
            self.of(*lines).file()
        assert not list(self.cache.rglob("*.tar"))
        assert error.value.message.isprintable()
        return error.value


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    made = World(tmp_path)
    for name in ("UV_NO_INDEX", "PIP_NO_INDEX"):
        monkeypatch.setenv(name, "1")
    for name in ("UV_FIND_LINKS", "PIP_FIND_LINKS"):
        monkeypatch.setenv(name, str(made.wheels))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    return made


def test_wheels_are_fetched_with_lock_file_and_uv_and_then_nobody_is_asked(world: World) -> None:
    for_nodes = "cp311-cp311-manylinux_2_28_x86_64"
    wheels = world.of(world.wheel("model", "2.0", "helper>=1"), world.wheel("helper", "1.5", tag=for_nodes))
    with tarfile.open(wheels.file()) as packed:
        held = {name.removeprefix("./") for name in packed.getnames()}
    wanted = {"requirements.txt", "uv", "model-2.0-py3-none-any.whl", f"helper-1.5-{for_nodes}.whl"}
    assert held - {"", "."} == wanted
    shutil.rmtree(world.wheels)
    assert wheels.file().is_file()


def test_a_package_that_another_one_needs_and_that_is_not_locked_is_named(world: World) -> None:
    error = world.refusal(world.wheel("model", "2.0", "helper>=1", "other"), world.wheel("other", "1"))
    assert isinstance(error, UsageError)
    assert error.message == f"{LABEL} does not lock helper, which one of its packages needs"
    assert "CONTRIBUTING.md" in error.fix


def test_a_wrong_hash_is_named_with_its_line(world: World) -> None:
    lines = ("# of another file", world.wheel("helper", "1.5"), world.wheel("model", "2.0")[:-64] + "0" * 64)
    error = world.refusal(*lines)
    assert isinstance(error, UsageError)
    assert error.message == f"{LABEL}, line 3: the wheel of model==2.0 has none of its hashes"


@pytest.mark.parametrize(
    ("tag", "words"),
    [
        ("cp39-cp39-manylinux_2_28_x86_64", "a matching Python"),
        ("cp311-cp311-manylinux_2_28_aarch64", "a matching platform tag"),
        ("cp311-cp311-manylinux_2_39_x86_64", "a matching platform tag"),
    ],
)
def test_a_package_without_a_wheel_for_the_nodes_is_named_with_its_line(
    world: World, tag: str, words: str
) -> None:
    error = world.refusal(world.wheel("helper", "1.5"), world.wheel("model", "2.0", tag=tag))
    assert isinstance(error, UsageError)
    nodes = "nodes with Python 3.11 on x86_64 cannot install it"
    assert error.message.startswith(f"{LABEL}, line 2: {nodes}: model==2.0 has no wheels with {words}")


def test_versions_that_do_not_go_together_are_named(world: World) -> None:
    error = world.refusal(world.wheel("helper", "1.5"), world.wheel("model", "2.0", "helper>=2"))
    assert isinstance(error, UsageError)
    assert f"{LABEL}, line 1: " in error.message
    assert "model depend on helper>=2 and you require helper==1.5" in error.message


def test_a_version_that_the_index_does_not_have_is_named_with_its_line(world: World) -> None:
    lines = (world.wheel("helper", "1.5"), world.wheel("model", "2.0").replace("2.0", "2.1"))
    error = world.refusal(*lines)
    assert isinstance(error, UsageError)
    assert f"{LABEL}, line 2: " in error.message
    assert "there is no version of model==2.1" in error.message


def test_the_python_of_the_nodes_counts_and_not_that_of_this_machine(world: World) -> None:
    marked = world.wheel("model", "2.0", "helper; python_version < '3.12'")
    assert "does not lock helper" in world.refusal(marked).message
    assert world.of(marked, python_version="3.12").file().is_file()


@pytest.fixture
def silent_index(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An index that takes connections and never answers."""
    assert world
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        monkeypatch.delenv("UV_NO_INDEX")
        monkeypatch.setenv("UV_HTTP_RETRIES", "0")
        monkeypatch.setenv("UV_DEFAULT_INDEX", f"http://bot:canary-secret@127.0.0.1:{port}/simple")
        yield str(port)


def test_an_index_that_cannot_be_asked_is_no_fault_of_the_lock_file(
    world: World, silent_index: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_HTTP_TIMEOUT", "1")
    error = world.refusal(world.wheel("model", "2.0"))
    assert isinstance(error, PreflightError)
    assert f"the index of Python packages cannot be asked for {LABEL}: error: " in error.message
    assert silent_index in error.message
    assert "canary-secret" not in f"{error.message} {error.details}"
    assert "the index that pip and uv use" in error.fix


def test_a_python_without_uv_is_no_fault_of_the_lock_file(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\necho "$0: No module named uv" >&2\nexit 1\n')
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    error = world.refusal(world.wheel("model", "2.0"))
    assert isinstance(error, PreflightError)
    assert error.message.endswith("No module named uv")


@pytest.mark.usefixtures("silent_index")
def test_a_request_to_stop_ends_it(world: World) -> None:
    stop = Stop()
    timer = threading.Timer(0.5, stop.request, [15])
    timer.start()
    with pytest.raises(InterruptedRunError):
        world.of(world.wheel("model", "2.0"), stop=stop).file()
    timer.join()


def subject_of(world: World, aws: FakeAws, lock: str) -> preflight.Subject:
    """Return a run of a pipeline whose Python environment is made of this lock file."""
    (world.checkout / LABEL).write_text(f"{lock}\n")
    settings = driver(
        kiln_cache_dir=str(world.cache),
        emr_node_python_requirements=LABEL,
        emr_node_environment_hash="0" * 16,
    )
    question = Question(root=world.checkout, environment="local", pipeline="daily")
    return preflight.Subject(question=question, driver=settings, shape=shape(), effects=aws)


def test_a_run_has_its_wheels_before_its_launch(world: World, aws: FakeAws) -> None:
    preflight.check_wheels(subject_of(world, aws, world.wheel("model", "2.0")))
    assert [file.name for file in world.cache.rglob("*.tar")] == [f"{'0' * 16}-uv.tar"]


def test_an_incomplete_lock_file_is_refused_before_the_launch(world: World, aws: FakeAws) -> None:
    with pytest.raises(UsageError, match="does not lock helper"):
        preflight.check_wheels(subject_of(world, aws, world.wheel("model", "2.0", "helper")))


def test_nothing_is_fetched_for_an_environment_that_is_packed_in_s3(world: World, aws: FakeAws) -> None:
    digest = "a" * 64
    place = environment_digests.Place("s3://state/kiln", "local", "0" * 16)
    environment_digests.keep(aws, place, digest)
    aws.put_object(place.archive(digest), b"packed", replaces=None)
    preflight.check_wheels(subject_of(world, aws, world.wheel("model", "2.0", "helper")))
    assert not world.cache.exists()
