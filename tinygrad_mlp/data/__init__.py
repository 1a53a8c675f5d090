"""Data sets, and their way to training arrays in three steps.

Each step is a function::

    dataset = load("mnist")                                # pixels and class numbers, as stored
    split = preprocess(dataset.X, dataset.labels, rng=rng) # shuffled, standardised, one-hot
    for rows in batches(len(split.X), 32, rng): ...        # one epoch

SciPy, scikit-learn and the internet are used only by the functions that need them.
"""

from __future__ import annotations

from tinygrad_mlp.data.batches import batches
from tinygrad_mlp.data.dataset import Dataset, one_hot
from tinygrad_mlp.data.idx import read_idx
from tinygrad_mlp.data.mat import load_mat
from tinygrad_mlp.data.mnist import load_mnist
from tinygrad_mlp.data.preprocessing import Split, preprocess, standardise
from tinygrad_mlp.data.sources import load, load_digits

__all__ = ["Dataset", "Split", "batches", "load", "load_digits", "load_mat", "load_mnist",
           "one_hot", "preprocess", "read_idx", "standardise"]
