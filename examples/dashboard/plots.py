"""Pictures of a study of multilayer perceptrons: data, decision surfaces, accuracy, cost and time."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from page import Picture
from PIL import Image

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

# Green X, red O, blue background.
COLOURS = {"X": (46, 139, 87), "O": (192, 57, 43), "B": (200, 217, 240)}
_SQUARE, _WIDE = 360, 580  # pixels
_DPI = 100
_TRAIN, _TEST = "#95a5a6", "#2c3e50"


def data(points: pd.DataFrame) -> Picture:
    """Draw points by their label: columns x, y, label."""
    figure = Figure(figsize=(_SQUARE / _DPI, _SQUARE / _DPI))
    axes = figure.add_axes((0, 0, 1, 1), frame_on=False, xticks=[], yticks=[])
    for label, colour in COLOURS.items():
        chosen = points[points["label"] == label]
        axes.scatter(chosen["x"], chosen["y"], s=4, color=np.divide(colour, 255), linewidths=0)
    return Picture(_png(figure), _SQUARE, f"XO data: {_counts(points)}")


def surface(points: pd.DataFrame, neurons: int) -> Picture:
    """Draw the label that a perceptron gives to each point of a grid, as a pixel: columns x, y, label."""
    labels = points.pivot_table(index="y", columns="x", values="label", aggfunc="first")
    pixels = np.zeros((*labels.shape, 3), np.uint8)
    for label, colour in COLOURS.items():
        pixels[labels.to_numpy() == label] = colour
    file = BytesIO()
    Image.fromarray(pixels[::-1]).save(file, format="png")  # the first row of a picture is its top
    return Picture(file.getvalue(), _SQUARE, f"Decision surface, N = {neurons}: {_counts(points)}")


def accuracy(trainings: pd.DataFrame) -> Picture:
    """Draw accuracy against the number of hidden neurons: the mean of the seeds, and their range."""
    figure, axes = _wide()
    for column, colour in {"train_accuracy": _TRAIN, "test_accuracy": _TEST}.items():
        seeds = trainings.groupby("neurons")[column].agg(["mean", "min", "max"])
        axes.fill_between(seeds.index, seeds["min"], seeds["max"], color=colour, alpha=0.25, linewidth=0)
        axes.plot(seeds.index, seeds["mean"], marker="o", color=colour, label=column.replace("_", " "))
    axes.legend(frameon=False)
    _label_sizes(axes, trainings)
    return Picture(
        _png(figure), _WIDE, "Accuracy against N hidden neurons: mean of the seeds, and their range"
    )


def cost(trainings: pd.DataFrame) -> Picture:
    """Draw the seconds of each training; its cost in US dollars on the other side."""
    figure, axes = _wide()
    axes.scatter(trainings["neurons"], trainings["seconds"], s=18, color=_TEST, label="seconds")
    axes.set_ylim(bottom=0)
    _label_sizes(axes, trainings)
    dollars = axes.twinx()
    dollars.scatter(
        trainings["neurons"], trainings["usd"], s=40, marker="+", color="#c0392b", label="US dollars"
    )
    dollars.set_ylim(bottom=0)
    figure.legend(loc="upper left", bbox_to_anchor=(0.15, 0.95), frameon=False)
    seconds, usd = trainings["seconds"].sum(), trainings["usd"].sum()
    text = f"Time and cost of each training; all {len(trainings)}: {seconds:.1f} s, {usd:.4f} US dollars"
    return Picture(_png(figure), _WIDE, text)


def _counts(points: pd.DataFrame) -> str:
    found = points["label"].value_counts()
    return ", ".join(f"{label} {found.get(label, 0)}" for label in COLOURS)


def _wide() -> tuple[Figure, Axes]:
    figure = Figure(figsize=(_WIDE / _DPI, 3.4), layout="constrained")
    return figure, figure.subplots()


def _label_sizes(axes: Axes, trainings: pd.DataFrame) -> None:
    sizes = sorted(set(trainings["neurons"]))
    axes.set_xscale("log")
    axes.set_xticks(sizes, [str(size) for size in sizes])
    axes.set_xticks([], minor=True)


def _png(figure: Figure) -> bytes:
    file = BytesIO()
    figure.savefig(file, format="png", dpi=_DPI)
    return file.getvalue()
