"""What differs between the two releases of Airflow that Kiln's DAGs run on: processes, settings, users."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

API_SERVER = "api-server"
SCHEDULER = "scheduler"
TRIGGERER = "triggerer"

# Section -> option -> value, as in airflow.cfg (`airflow config list` describes each).
# airflow_settings.py fills in ${…}.
Sections = dict[str, dict[str, str]]

_SHARED: Sections = {
    "core": {
        "executor": "LocalExecutor",
        "load_examples": "False",
        "dags_folder": "${dags}",
        "plugins_folder": "${plugins}",
        "fernet_key": "${fernet_key}",
        "parallelism": "8",
    },
    "database": {"sql_alchemy_conn": "postgresql+psycopg2://${database}", "sql_alchemy_pool_size": "5"},
    "logging": {"base_log_folder": "${home}/logs"},
    "usage_data_collection": {"enabled": "False"},
    "scheduler": {"job_heartbeat_sec": "2", "scheduler_heartbeat_sec": "2", "enable_health_check": "False"},
}


@dataclass(frozen=True)
class Release:
    """One release of Airflow."""

    name: str
    environment: str  # the virtual environment that scripts/setup makes, below the checkout
    # In the order in which they start: name -> arguments of `airflow`.
    processes: Mapping[str, tuple[str, ...]]
    settings: Sections
    health: str  # the page that answers when the API does
    api: str  # where the stable REST API begins
    # The arguments of `airflow` that make a user; without any a file has the users' passwords.
    make_user: tuple[str, ...] = ()


def _with(more: Sections) -> Sections:
    return {name: _SHARED.get(name, {}) | more.get(name, {}) for name in _SHARED | more}


AIRFLOW_3 = Release(
    name="3",
    environment=".venvs/local_airflow",
    processes={
        API_SERVER: ("api-server",),
        "dag-processor": ("dag-processor",),
        # Logs are read from files: no server for them.
        SCHEDULER: ("scheduler", "--skip-serve-logs"),
        TRIGGERER: ("triggerer", "--skip-serve-logs"),
    },
    settings=_with(
        {
            "core": {
                "simple_auth_manager_users": "${user}:admin",
                "simple_auth_manager_passwords_file": "${home}/passwords.json",
                "execution_api_server_url": "${url}/execution/",
                # Airflow kills a task whose callbacks, here `kiln notify`, take longer than that.
                "task_success_overtime": "180",
            },
            "api": {
                "host": "127.0.0.1",
                "port": "${port}",
                "base_url": "${url}",
                "workers": "1",
                "secret_key": "${secret_key}",
            },
            "api_auth": {"jwt_secret": "${jwt_secret}"},
            "dag_processor": {
                "parsing_processes": "1",
                "min_file_process_interval": "30",
                "refresh_interval": "30",
            },
        }
    ),
    health="/api/v2/monitor/health",
    api="/api/v2",
)

AIRFLOW_2 = Release(
    name="2",
    environment=".venvs/local_airflow_2",
    processes={
        API_SERVER: ("webserver",),
        SCHEDULER: ("scheduler", "--skip-serve-logs"),
        TRIGGERER: ("triggerer", "--skip-serve-logs"),
    },
    settings=_with(
        {
            "webserver": {
                "web_server_host": "127.0.0.1",
                "web_server_port": "${port}",
                "base_url": "${url}",
                "workers": "1",
                "secret_key": "${secret_key}",
            },
            "api": {"auth_backends": "airflow.api.auth.backend.basic_auth"},
            "scheduler": _SHARED["scheduler"] | {"parsing_processes": "1", "min_file_process_interval": "30"},
        }
    ),
    health="/health",
    api="/api/v1",
    make_user=(
        *("users", "create", "--role", "Admin", "--email", "admin@localhost"),
        *("--firstname", "Local", "--lastname", "Admin"),
    ),
)

RELEASES = {release.name: release for release in (AIRFLOW_3, AIRFLOW_2)}
