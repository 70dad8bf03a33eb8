"""The page of a run: its numbers as tables, beside the picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

from report.figures import spread

if TYPE_CHECKING:
    from report.figures import Study

_HEAD = """\
# What the study mlp_study has found

Written from mlp_study.json by `make docs`; [study.md](../operations/study.md) says how it is run and what
the columns mean.

Run of {study.date} on {study.machine}: {study.rows} points for the training (seed {study.data_seed}),
{study.test_rows} for the test (seed {test_seed}), seeds {seeds} of the weights, at most {study.iterations}
iterations.
The whole run, from the launch to the cluster's end, took {study.minutes:.1f} minutes.

{notes}

![accuracy against neurons, and decision surfaces](mlp_study.svg)

| Neurons | Training: mean (least to most) | Test: mean (least to most) | Seconds, mean | USD, mean |
|---|---|---|---|---|
"""


def page(study: Study, notes: str) -> str:
    """Return the page in Markdown; `notes` is what people have to say about the numbers."""
    seeds = ", ".join(str(one.seed) for one in study.of(study.sizes()[0]))
    head = _HEAD.format(study=study, test_seed=study.data_seed + 1, seeds=seeds, notes=notes.strip())
    return head + "".join(_row(study, size) for size in study.sizes())


def _row(study: Study, size: int) -> str:
    found = study.of(size)
    accuracies = (spread(one.train_accuracy for one in found), spread(one.test_accuracy for one in found))
    cells = [f"{middle:.2%} ({least:.2%} to {most:.2%})" for middle, least, most in accuracies]
    seconds, _, _ = spread(one.seconds for one in found)
    usd, _, _ = spread(one.usd for one in found)
    return f"| {size} | {cells[0]} | {cells[1]} | {seconds:.1f} | {usd:.5f} |\n"
