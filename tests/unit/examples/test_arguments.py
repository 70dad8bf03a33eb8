import json
import socket
from datetime import date
from pathlib import Path

import pytest
from email_models.arguments import Arguments, parse_arguments
from email_models.database import read_directory, read_password
from email_models.errors import ConfigError, DatabaseError
from email_models.settings import DEFAULT_FILE, Settings

GOOD = {
    "--date": "2026-11-20",
    "--input": "s3://bucket/telemetry/",
    "--output": "s3://bucket/models/r1",
    "--database-host": "127.0.0.1",
    "--database-name": "model_building",
    "--database-user": "reader",
    "--secrets-file": "/nonexistent/secrets.json",
}
CANARY = "canary-5d1f"


def parse(**changes: str | None) -> Arguments:
    options = GOOD | {f"--{name.replace('_', '-')}": value for name, value in changes.items()}
    given = [(name, value) for name, value in options.items() if value is not None]
    return parse_arguments("a job", [word for pair in given for word in pair])


def test_arguments_become_typed_values() -> None:
    arguments = parse(database_port="5433")
    assert arguments.day == date(2026, 11, 20)
    assert arguments.database_port == 5433
    assert arguments.messages == "s3://bucket/telemetry/messages/date=2026-11-20"
    assert arguments.settings_file == DEFAULT_FILE


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("date", "20.11.2026", "--date"),
        ("date", None, "--date"),
        ("input", "", "must not be empty"),
        ("database_port", "70000", "no TCP port"),
        ("database_port", "five", "--database-port"),
        ("secrets_file", None, "--secrets-file"),
    ],
)
def test_bad_arguments_end_the_job_with_2(
    option: str, value: str | None, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(**{option: value})
    assert ended.value.code == 2
    assert says in capsys.readouterr().err


def test_the_shipped_settings_load() -> None:
    settings = Settings.load()
    assert settings.as_dict()["campaigns"]["bands"] == settings.campaigns.bands


def test_unknown_and_missing_settings_are_named(tmp_path: Path) -> None:
    document = json.loads(DEFAULT_FILE.read_text())
    document["campaigns"]["bandz"] = document["campaigns"].pop("bands")
    (tmp_path / "models.json").write_text(json.dumps(document))
    with pytest.raises(ConfigError, match=r"'campaigns'.*'bands'.*'bandz'"):
        Settings.load(tmp_path / "models.json")
    with pytest.raises(ConfigError, match=r"missing\.json"):
        Settings.load(tmp_path / "missing.json")


@pytest.mark.parametrize(
    "content",
    [
        f'{{"other": "{CANARY}"}}',
        f'{{"database_password": "{CANARY}"',
        f'["{CANARY}"]',
        '{"database_password": ""}',
    ],
)
def test_a_bad_secrets_file_is_named_but_never_quoted(tmp_path: Path, content: str) -> None:
    path = tmp_path / "secrets.json"
    path.write_text(content)
    with pytest.raises(ConfigError) as raised:
        read_password(path)
    assert str(path) in str(raised.value)
    assert CANARY not in str(raised.value)
    assert raised.value.__cause__ is None


def test_a_database_that_is_down_is_one_clear_line_without_the_password(tmp_path: Path) -> None:
    (tmp_path / "secrets.json").write_text(json.dumps({"database_password": CANARY}))
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound, not listening: connections are refused
        arguments = parse(
            database_port=str(closed.getsockname()[1]), secrets_file=str(tmp_path / "secrets.json")
        )
        with pytest.raises(DatabaseError) as raised:
            read_directory(arguments)
    message = str(raised.value)
    assert message.startswith(
        f"cannot read organisations from 127.0.0.1:{arguments.database_port}/model_building: "
    )
    assert "\n" not in message
    assert CANARY not in message
