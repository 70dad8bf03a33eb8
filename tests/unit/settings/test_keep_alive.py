"""What a cluster that ends by itself cannot do is found before it is launched."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from fakes import shape

from kiln.settings import keep_alive
from kiln.settings.existing_cluster import ExistingCluster
from kiln.settings.model import StepSettings

MAIN = StepSettings(name="main", jar="command-runner.jar")
NO_WORK: dict[str, list[str]] = {"provision": [], "deploy": []}


def found(steps: tuple[StepSettings, ...] = (MAIN,), work: Any = NO_WORK, **changes: Any) -> list[str]:
    driver: Any = SimpleNamespace(
        steps=steps,
        emr_cluster_existing=changes.pop("existing", ExistingCluster()),
        emr_cluster_image=changes.pop("image", "none"),
    )
    wanted = shape(**{"keep_alive": False, **changes})
    return [error.message for error in keep_alive.problems(driver, wanted, work, "group_vars/p.yml:1")]


def test_steps_one_after_the_other_need_nothing_else() -> None:
    assert found() == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"steps": ()}, "there are no steps"),
        ({"step_concurrency_level": 2}, "emr_cluster_step_concurrency_level is 2"),
        ({"steps": (StepSettings(name="tidy", jar="x", always=True),)}, "the step tidy is `always`"),
        ({"work": {"provision": ["emr_node_os_packages"]}}, "emr_node_os_packages asks for provision"),
        ({"work": {"deploy": ["model_repo_url"]}}, "model_repo_url asks for deploy"),
    ],
)
def test_what_needs_a_driver_is_named(changes: dict[str, Any], words: str) -> None:
    (message,) = found(**changes)
    assert message.startswith("group_vars/p.yml:1: emr_cluster_keep_alive is false, and")
    assert words in message
    assert found(**{**changes, "keep_alive": True}) == []
    assert found(**{**changes, "existing": ExistingCluster(id="j-1")}) == []


@pytest.mark.parametrize(
    "image", [{"image": "latest"}, {"image": "ami-0123456789abcdef0"}, {"custom_ami_id": "ami-1"}]
)
def test_what_an_image_has_needs_no_driver_and_a_release_does(image: dict[str, Any]) -> None:
    provision = {"provision": ["emr_node_os_packages", "emr_node_python_requirements"], "deploy": []}
    assert len(found(work=provision)) == 2
    assert found(work=provision, **image) == []
    (message,) = found(work=provision | {"deploy": ["model_repo_url"]}, **image)
    assert "model_repo_url asks for deploy" in message
