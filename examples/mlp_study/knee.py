"""Where more neurons stop helping: the smallest size as good as the best one within the test's error."""

from __future__ import annotations

import math
from statistics import mean
from typing import Any, NamedTuple


class Training(NamedTuple):
    """One trained perceptron: its size, and the share of the test's points that it labels right."""

    neurons: int
    test_accuracy: float


def summary(trainings: list[Training], test_rows: int) -> dict[str, Any]:
    """Return each size's mean, least and most accuracy, and the knee.

    The knee is the smallest size whose mean lies at most one standard error of an accuracy that was measured
    on `test_rows` points below the best mean: the one-standard-error rule of Breiman, Friedman, Olshen and
    Stone, Classification and Regression Trees (1984), 3.4.3.
    """
    sizes: dict[int, list[float]] = {}
    for one in sorted(trainings):
        sizes.setdefault(one.neurons, []).append(one.test_accuracy)
    means = {neurons: mean(found) for neurons, found in sizes.items()}
    best = max(means.values())
    error = math.sqrt(best * (1 - best) / test_rows)
    return {
        "knee_neurons": min(neurons for neurons, found in means.items() if found >= best - error),
        "standard_error": round(error, 5),
        "test_accuracy": {
            str(neurons): {"mean": round(means[neurons], 5), "least": min(found), "most": max(found)}
            for neurons, found in sizes.items()
        },
    }
