"""Training by several processes: `mpi` finds them, and `fit` takes them as its `ranks`.

Each process, a rank, holds the whole model and takes its part of every batch. Once a step they add
up their gradients, so that all make the same update.
"""

from tinygrad_mlp.parallel.ranks import Ranks, mpi

__all__ = ["Ranks", "mpi"]
