"""Patterns that Ansible's files must write again, because no role or inventory imports Kiln, stay Kiln's."""

from __future__ import annotations

from pathlib import Path

import pytest

from kiln import identity
from kiln.settings import names

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("file", "pattern"),
    [
        ("roles/model_repo/tasks/declare.yml", names.FOLDER.pattern),
        *(
            (str(path.relative_to(CHECKOUT)), identity.CLUSTER_ID.pattern)
            for path in sorted((CHECKOUT / "inventory").glob("*/aws_ec2.yml"))
        ),
    ],
)
def test_a_pattern_in_a_file_of_ansible_is_that_of_kiln(file: str, pattern: str) -> None:
    assert f"regex('^{pattern}\\\\Z')" in (CHECKOUT / file).read_text()


def test_the_two_forms_of_a_folders_name_are_one() -> None:
    assert f"^(?:{names.FOLDER.pattern})?\\Z" == names.FOLDER_OR_NOTHING
