"""`make clean` removes what local runs wrote, and nothing that cannot be made again."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "scripts/clean.py"


def test_passwords_and_the_records_of_other_environments_stay(tmp_path: Path) -> None:
    for name, text in {
        ".kiln/vault/prod.password": "word",
        ".kiln/vault/local.password": "word",
        ".kiln/runs/nightly-7/result.json": '{"environment": "prod"}',
        ".kiln/runs/broken/result.json": "[",
        ".kiln/runs/unfinished/deploy.log": "",
        ".kiln/runs/try/result.json": '{"environment": "local"}',
        ".kiln/local/id_ed25519": "key",
        ".emrbox/log/box.log": "",
        ".molecule/emr_node_default/vault.yml": "",
        ".kiln/airflow/airflow.cfg": "",
        ".kiln/airflow.lock": "",
        ".kiln/airflow_pictures/graph.png": "",
        "vault/prod.yml": "",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    finished = subprocess.run([sys.executable, SCRIPT, tmp_path], check=True, capture_output=True, text=True)
    assert finished.stdout.splitlines() == [
        "kept: .kiln/vault/local.password",
        "kept: .kiln/vault/prod.password",
        "kept: .kiln/runs/broken",
        "kept: .kiln/runs/nightly-7",
        "kept: .kiln/runs/unfinished",
    ]
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {
        *(".kiln/vault/prod.password", ".kiln/vault/local.password", "vault/prod.yml"),
        *(
            ".kiln/runs/nightly-7/result.json",
            ".kiln/runs/broken/result.json",
            ".kiln/runs/unfinished/deploy.log",
        ),
    }


def test_a_fresh_checkout_is_clean(tmp_path: Path) -> None:
    finished = subprocess.run([sys.executable, SCRIPT, tmp_path], check=True, capture_output=True, text=True)
    assert finished.stdout == ""


def test_a_link_is_removed_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/file").write_text("")
    (tmp_path / ".emrbox").symlink_to(tmp_path / "elsewhere")
    subprocess.run([sys.executable, SCRIPT, tmp_path], check=True)
    assert not (tmp_path / ".emrbox").is_symlink()
    assert (tmp_path / "elsewhere/file").exists()
