"""Measure what an image saves: launch, provision and deploy of bare nodes and of nodes from an image.

In the checkout's own local AWS, with the OS packages and the Python environment of model_building. In each
round every way has its turn: bare nodes when no archive of the environment is in S3 yet, bare nodes with the
archive, and the image that `bake_image` has made before, whose own time is shown, too.
docs/benchmarks/images.md has the figures.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path += [str(CHECKOUT / "tests/helpers"), str(CHECKOUT / "examples/demo")]

from local import make_local_account
from local_world import DATE, MESSAGES, SEED, World

if TYPE_CHECKING:
    from collections.abc import Sequence

BUCKET, ARCHIVES = "kiln-local-state", "kiln/envs/"
PHASES = ("launch", "provision", "deploy")
COLD, WARM, IMAGE = "bare nodes, no archive yet", "bare nodes, archive in S3", "nodes from the image"


def main() -> int:
    """Measure and print; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start", flush=True)
    world = World(*make_local_account(MESSAGES, SEED, DATE, {}))
    for name in ("bake_image", "bake_image again"):
        began = time.monotonic()
        run(world, "bake_image")
        print(f"{name:<28} {time.monotonic() - began:6.1f} s", flush=True)
    found: dict[str, list[dict[str, float]]] = {}
    for _ in range(options.rounds):
        for way in (COLD, WARM, IMAGE):
            found.setdefault(way, []).append(one_run(world, way))
    for way, rounds in found.items():
        print(f"{way:<28}", *(shown(phase, [one[phase] for one in rounds]) for phase in (*PHASES, "all")))
    return 0


def one_run(world: World, way: str) -> dict[str, float]:
    """Launch a cluster, set up its nodes and end it; return the seconds of each phase."""
    if way == COLD:
        forget_archives(world)
    image = ("-e", f"emr_cluster_image={'latest' if way == IMAGE else 'none'}")
    said = run(world, "launch,provision,deploy", *image)
    seconds = {phase["name"]: float(phase["seconds"]) for phase in said["phases"]}
    run(world, "terminate", "--run-id", said["run_id"])
    if way == IMAGE:
        (provision,) = (phase for phase in said["phases"] if phase["name"] == "provision")
        assert not provision["changed"], provision
    return {**seconds, "all": sum(seconds.values())}


def run(world: World, actions: str, *options: str) -> dict[str, Any]:
    """Run actions of the pipeline, which have to succeed; return what Kiln says at the end."""
    done = world.kiln("run", "model_building", actions, "--env", "local", *options)
    assert done.code == 0, done.said
    return done.result


def forget_archives(world: World) -> None:
    """Let Kiln find no archive of a Python environment."""
    s3 = world.session.client("s3")
    for one in s3.list_objects_v2(Bucket=BUCKET, Prefix=ARCHIVES).get("Contents", ()):
        s3.delete_object(Bucket=BUCKET, Key=one["Key"])


def shown(phase: str, seconds: Sequence[float]) -> str:
    """Return the median, and from the least to the most."""
    return f"| {phase} {statistics.median(seconds):5.1f} ({min(seconds):.1f} to {max(seconds):.1f})"


if __name__ == "__main__":
    sys.exit(main())
