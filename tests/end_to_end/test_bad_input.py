"""Bad input: one clear line, the right exit code, nothing launched."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

import pytest
from account import AWS_CONFIG
from local_world import CHECKOUT

if TYPE_CHECKING:
    from pathlib import Path

    from local_world import World

USAGE, PREFLIGHT, NOT_FOUND = 2, 10, 18


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("run", "modle_building", "--env", "local"), USAGE, ("modle_building", "model_building")),
        (("run", "model_building", "--env", "locla"), USAGE, ("locla", "local")),
        (("run", "model_building"), USAGE, ("--env", "KILN_ENV")),
        (("run", "model_building", "lunch", "--env", "local"), USAGE, ("lunch", "launch")),
        (
            ("run", "model_building", "--env", "local", "-e", "emr_cluster_core_cuont=2"),
            USAGE,
            ("emr_cluster_core_cuont", "emr_cluster_core_count"),
        ),
        (
            ("run", "model_building", "--env", "local", "-e", "emr_cluster_core_count=two"),
            USAGE,
            ("emr_cluster_core_count", "two"),
        ),
        (
            ("run", "model_building", "--env", "local", "-e", "model_repo_branch=no-such-branch"),
            PREFLIGHT,
            ("no-such-branch", "model_repo_branch"),
        ),
        (
            ("run", "model_building", "--env", "local", "-e", "model_repo_url=/nowhere/model_repo.git"),
            PREFLIGHT,
            ("/nowhere/model_repo.git",),
        ),
        # Nobody has filled in this account yet: an unset variable.
        (("run", "model_building", "--env", "stage"), USAGE, ("group_vars/", "stage", "has no value")),
        (("run", "model_building", "sd", "--env", "local"), NOT_FOUND, ("model_building",)),
    ],
)
def test_bad_input_is_one_clear_line_and_nothing_is_launched(
    world: World, arguments: tuple[str, ...], code: int, words: tuple[str, ...]
) -> None:
    before = len(world.clusters())
    finished = world.kiln(*arguments)
    assert finished.code == code, finished.said
    assert "Traceback" not in finished.said
    for word in words:
        assert word in finished.said, finished.said
    assert len(world.clusters()) == before


@pytest.fixture
def password_file(world: World) -> Path:  # noqa: ARG001  the world has made the file
    return CHECKOUT / ".kiln/vault/local.password"


def test_a_missing_vault_password_is_said_before_anything_is_launched(
    world: World, password_file: Path
) -> None:
    kept = password_file.with_suffix(".kept")
    password_file.rename(kept)
    try:
        finished = world.kiln("run", "model_building", "--env", "local")
    finally:
        kept.rename(password_file)
    assert finished.code == PREFLIGHT, finished.said
    assert "local.password" in finished.said
    assert "get it from the person who made vault/local.yml" in finished.said


def test_a_wrong_vault_password_is_said_before_anything_is_launched(
    world: World, password_file: Path
) -> None:
    kept = password_file.with_suffix(".kept")
    shutil.copy2(password_file, kept)
    try:
        password_file.write_text("not the password\n")
        finished = world.kiln("run", "model_building", "--env", "local")
    finally:
        kept.rename(password_file)
    assert finished.code == PREFLIGHT, finished.said
    assert "password" in finished.said
    assert "not the password" not in finished.said
    assert "vault/local.yml" in finished.said


def test_a_local_aws_that_does_not_run_is_said_in_one_line(world: World, tmp_path: Path) -> None:
    config = tmp_path / "config"
    written = AWS_CONFIG.read_text()
    config.write_text(re.sub(r"endpoint_url = .*", "endpoint_url = http://127.0.0.1:9", written))
    config.chmod(0o600)
    finished = world.kiln("run", "model_building", "--env", "local", "-e", f"aws_config_file={config}")
    assert finished.code == PREFLIGHT, finished.said
    assert "http://127.0.0.1:9" in finished.said
    assert "Traceback" not in finished.said
