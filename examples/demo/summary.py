"""The summary at the end of the demo: times, outputs, their quality, and what still runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
from account import LOCAL
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from pathlib import Path

    import boto3
    from mypy_boto3_emr.literals import ClusterStateType

LIVE: list[ClusterStateType] = ["STARTING", "BOOTSTRAPPING", "RUNNING", "WAITING", "TERMINATING"]
GONE = {"terminated", "shutting-down"}


def show(
    session: boto3.Session,
    result: dict[str, Any],
    quality: dict[str, Any],
    preparations: dict[str, float],
    seconds: float,
) -> None:
    """Print the summary to standard output."""
    console = Console(highlight=False, soft_wrap=True)
    console.print()
    console.print(phases_table(result, preparations, seconds))
    console.print(models_table(quality, LOCAL / "outputs" / result["run_id"]))
    console.print(
        f"[bold]run[/]      {result['run_id']}: {result['verdict']}, cluster {result['cluster_id']}"
    )
    folders = {output["uri"].rstrip("/").rpartition("/")[0] for output in result["outputs"]}
    for folder in sorted(folders):
        console.print(f"[bold]outputs[/]  {folder}/")
    for uri in result["logs"]:
        console.print(f"[bold]logs[/]     {uri}")
    console.print(f"[bold]ledger[/]   {result['ledger']}")
    for line in still_running(session):
        console.print(line)
    console.print("[bold]try next[/]")
    for command in next_commands(result):
        console.print(f"  {command}")


def phases_table(result: dict[str, Any], preparations: dict[str, float], seconds: float) -> Table:
    """Return each phase with its time and a bar of its share."""
    rows = [(f"demo: {name}", spent) for name, spent in preparations.items()]
    rows += [(f"kiln: {phase['name']}", phase["seconds"]) for phase in result["phases"]]
    rows.append(("demo: fetch and evaluate the models", max(seconds - sum(spent for _, spent in rows), 0.0)))
    table = Table(title="Where the time went", title_justify="left", show_footer=True)
    table.add_column("phase", footer="all of it")
    table.add_column("seconds", justify="right", footer=f"{seconds:.1f}")
    table.add_column("")
    longest = max(spent for _, spent in rows)
    for name, spent in rows:
        table.add_row(name, f"{spent:.1f}", "█" * round(24 * spent / longest))
    return table


def models_table(quality: dict[str, Any], outputs: Path) -> Table:
    """Return each model with its rows and how well it finds what was planted."""
    table = Table(title="What came out, measured against what was planted", title_justify="left")
    for name in ("model", "rows", "precision", "recall"):
        table.add_column(name, justify="left" if name == "model" else "right")
    for folder in sorted(path for path in outputs.rglob("*") if any(path.glob("*.parquet"))):
        rows = sum(pq.read_metadata(file).num_rows for file in folder.glob("*.parquet"))
        table.add_row(str(folder.relative_to(outputs)), f"{rows:,}", "", "")
    table.add_section()
    for name, figures in quality.items():
        table.add_row(name, "", f"{figures['precision']:.3f}", f"{figures['recall']:.3f}")
    return table


def still_running(session: boto3.Session) -> list[str]:
    """Return lines about the clusters and instances that still run."""
    pages = session.client("emr").get_paginator("list_clusters").paginate(ClusterStates=LIVE)
    clusters = [cluster["Name"] for page in pages for cluster in page["Clusters"]]
    described = session.client("ec2").describe_instances()["Reservations"]
    instances = [
        item for group in described for item in group["Instances"] if item["State"]["Name"] not in GONE
    ]
    nodes = [
        item
        for item in instances
        if any(tag["Key"].startswith("aws:elastic") for tag in item.get("Tags", []))
    ]
    others = [tag["Value"] for item in instances for tag in item.get("Tags", []) if tag["Key"] == "Name"]
    of_runs = ", ".join(clusters) or "nothing"
    counts = f"({len(clusters)} clusters, {len(nodes)} nodes)"
    names = ", ".join(others)
    return [
        f"[bold]still running[/] of this and any run: {of_runs} {counts}",
        f"  The local AWS stays up, with the team's {names} in it; `make down` ends both.",
    ]


def next_commands(result: dict[str, Any]) -> list[str]:
    """Return what people want to type now."""
    run_id = result["run_id"]
    return [
        f"scripts/kiln status model_building --env local --run-id {run_id}",
        f"scripts/kiln logs model_building --env local --run-id {run_id}",
        "scripts/kiln list --env local",
        "scripts/kiln run model_building launch,provision,deploy --env local   # task by task",
        'eval "$(.venv/bin/emrbox env)"; .venvs/awscli/bin/aws emr list-clusters   # with anybody\'s tools',
        "make down",
    ]
