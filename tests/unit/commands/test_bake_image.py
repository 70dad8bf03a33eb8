"""`kiln run PIPELINE bake_image`: an action of its own, and whatever ends it, its instances end with it."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from fakes import START, shape

from kiln import cli
from kiln.aws.effects import Ec2Instance
from kiln.commands import run_session
from kiln.errors import InterruptedRunError, KilnError, PlaybookError, PreflightError
from kiln.exit_codes import ExitCode
from kiln.playbooks.runner import AnsibleRunner
from kiln.runs import preflight
from kiln.settings import resolve

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fakes import FakeAws

    from kiln.aws.context import Context

BAKE = ("run", "model_building", "bake_image", "--env", "local", "--run-id", "b1")


class Bakes:
    """The command in an AWS in memory; `playbook` stands for Ansible's and launches the builder."""

    def __init__(self, context: Context, aws: FakeAws, root: Path) -> None:
        self.context, self.aws, self.root = context, aws, root
        self.ends_with: KilnError | None = None
        self.writes: dict[str, str] | None = {"id": "ami-1", "fingerprint": "f"}

    def playbook(self, *_: object) -> bool:
        tags = {"managed_by": "kiln", "environment": "local", "image_bake": "b1"}
        builder = Ec2Instance(
            id="i-00000001", state="running", launched_at=START, private_ip_address="10.0.0.1", tags=tags
        )
        self.aws.instances[builder.id] = builder
        if self.ends_with:
            raise self.ends_with
        if self.writes is not None:
            folder = self.root / ".kiln/runs/b1"
            (folder / "image.json").write_text(json.dumps(self.writes))
        return True


@pytest.fixture
def bakes(context: Context, aws: FakeAws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bakes:
    made = Bakes(context, aws, tmp_path)
    driver = SimpleNamespace(
        aws_profile="p",
        aws_config_file="",
        kiln_run_timeout_seconds=3600,
        kiln_terminate_timeout_seconds=60,
        kiln_poll_interval_seconds=1,
    )
    monkeypatch.setenv("KILN_CHECKOUT", str(tmp_path))
    monkeypatch.setattr(resolve, "run_settings", lambda _: (driver, shape()))
    monkeypatch.setattr(preflight, "check", lambda *_: None)
    monkeypatch.setattr(run_session.Session, "context", lambda *_: context)
    monkeypatch.setattr(AnsibleRunner, "run", made.playbook)
    return made


def result(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    return dict(json.loads(capsys.readouterr().out))


def test_the_last_line_names_the_image(bakes: Bakes, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(BAKE) == ExitCode.OK
    seen = result(capsys)
    assert (seen["verdict"], seen["image"]) == ("succeeded", {"id": "ami-1", "fingerprint": "f"})
    assert [phase["name"] for phase in seen["phases"]] == ["bake_image"]
    assert bakes.aws.objects == {}  # no ledger, no lock


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (PlaybookError("bake_image: Packer ended with 1"), ExitCode.PROVISION),
        (InterruptedRunError("stopped by SIGTERM", exit_code=ExitCode.TERMINATED), ExitCode.TERMINATED),
    ],
    ids=["failed", "terminated"],
)
def test_whatever_ends_a_bake_ends_its_instances(
    bakes: Bakes, capsys: pytest.CaptureFixture[str], error: KilnError, code: ExitCode
) -> None:
    bakes.ends_with = error
    assert cli.main(BAKE) == code
    assert result(capsys)["phase"] == "bake_image"
    assert [one.state for one in bakes.aws.instances.values()] == ["terminated"]


def test_an_instance_whose_end_is_not_confirmed_counts_more_than_the_failure(
    bakes: Bakes, capsys: pytest.CaptureFixture[str]
) -> None:
    bakes.ends_with = PlaybookError("bake_image: Packer ended with 1")
    bakes.aws.every_call = "refused"
    assert cli.main(BAKE) == ExitCode.NOT_TERMINATED
    assert "before that: bake_image: Packer ended with 1" in result(capsys)["message"]


def make_folder(path: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize("write", [lambda path: path.write_text("[1"), make_folder])
def test_a_file_about_the_image_that_cannot_be_read_counts_as_none(
    bakes: Bakes, capsys: pytest.CaptureFixture[str], write: Callable[[Path], object]
) -> None:
    bakes.writes = None
    folder = bakes.root / ".kiln/runs/b1"
    folder.mkdir(parents=True)
    write(folder / "image.json")
    assert cli.main(BAKE) == ExitCode.OK
    assert result(capsys)["image"] == {}


@pytest.mark.usefixtures("bakes")
def test_it_is_the_only_action_of_its_command(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = SimpleNamespace(steps=())
    monkeypatch.setattr(resolve, "run_settings", lambda _: (driver, shape()))
    assert cli.main(["run", "model_building", "bake_image,launch", "--env", "local"]) == ExitCode.USAGE
    assert "bake_image belongs to no run" in capsys.readouterr().err


def test_a_machine_without_packer_is_reported_before_anything_is_launched(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PreflightError, match="no packer on the PATH"):
        preflight.check_packer()
