"""The parts of campaign finding that need no Spark: hash orders, and the graph of similar messages."""

import random

import numpy as np
import pandas as pd
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

_SEED = 20_160_216  # any fixed number: the same data must always give the same campaigns


def masks(count: int) -> list[int]:
    """Return `count` fixed signed 64-bit masks; xor with each puts hash values in another order."""
    generator = random.Random(_SEED)  # noqa: S311  # not for secrets
    return [generator.getrandbits(64) - (1 << 63) for _ in range(count)]


def components(pairs: pd.DataFrame, min_messages: int) -> pd.DataFrame:
    """Return `message` and `campaign` for every connected component of at least `min_messages` messages.

    A campaign is named by its smallest message, as 16 hex digits, so that a second run gives the same names.
    """
    ends = pairs[["first", "second"]].to_numpy(dtype=np.int64)
    messages, places = np.unique(ends.ravel(), return_inverse=True)
    places = places.reshape(ends.shape)
    graph = coo_matrix(
        (np.ones(len(ends)), (places[:, 0], places[:, 1])), shape=(len(messages), len(messages))
    )
    _, labels = connected_components(graph, directed=False)
    sizes = np.bincount(labels, minlength=1)
    smallest = messages[np.unique(labels, return_index=True)[1]]  # `messages` is sorted
    large = sizes[labels] >= min_messages
    names = np.array([f"{name & 0xFFFF_FFFF_FFFF_FFFF:016x}" for name in smallest.tolist()], dtype=object)
    return pd.DataFrame({"message": messages[large], "campaign": names[labels[large]]})
