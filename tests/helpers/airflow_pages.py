"""Airflow's user interface in a real browser: logged in, with the pages that people look at after a run."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

import urllib3
from airflow_settings import USER

if TYPE_CHECKING:
    from pathlib import Path

    from chromium import Chromium
    from local_airflow import LocalAirflow

WIDTH, HEIGHT = 1500, 950
_COOKIE = "_token"  # where the user interface of Airflow 3 keeps its login


class AirflowPages:
    """One browser that is logged in. `folder` gets the pictures."""

    def __init__(self, airflow: LocalAirflow, browser: Chromium, folder: Path) -> None:
        self._url, self._browser, self._folder = airflow.home.url, browser, folder
        login = {"username": USER, "password": airflow.home.password}
        token = urllib3.request("POST", f"{self._url}/auth/token", json=login, timeout=60).json()[
            "access_token"
        ]
        browser.call("Network.enable")
        browser.call("Network.setCookie", name=_COOKIE, value=token, url=self._url)

    def graph(self, dag: str, run: str, tasks: int) -> Path:
        """Take a picture of a run's graph, which has that many tasks."""
        self._browser.open(f"{self._url}/dags/{dag}/runs/{quote(run)}", WIDTH, HEIGHT)
        self._press("Show Graph (Press g)")
        self._browser.wait(f"document.querySelectorAll('.react-flow__node').length >= {tasks}")
        return self._picture("graph")

    def gantt(self, dag: str, run: str, task: str) -> Path:
        """Take a picture of a run's Gantt chart."""
        self._browser.open(f"{self._url}/dags/{dag}/runs/{quote(run)}", WIDTH, HEIGHT)
        self._press("Show Gantt")
        # The rows come before their bars, which are links.
        self._browser.wait(f"document.querySelector('[data-selected][data-task-id={task}] a')")
        return self._picture("gantt")

    def log(self, dag: str, run: str, task: str, text: str) -> Path:
        """Take a picture of a task's log when it shows a text."""
        self._browser.open(f"{self._url}/dags/{dag}/runs/{quote(run)}/tasks/{task}", WIDTH, HEIGHT)
        self._browser.wait(f"document.body.innerText.includes({text!r})")
        return self._picture("log")

    def _press(self, label: str) -> None:
        button = f"document.querySelector('button[aria-label=\"{label}\"]')"
        self._browser.wait(button)
        self._browser.run(f"{button}.click()")

    def _picture(self, name: str) -> Path:
        # What is drawn after the data has come needs two frames.
        self._browser.call(
            "Runtime.evaluate",
            expression="new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))",
            awaitPromise=True,
        )
        file = self._folder / f"{name}.png"
        self._browser.picture(file)
        return file
