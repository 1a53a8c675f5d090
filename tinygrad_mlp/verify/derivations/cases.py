"""One parameter's gradients at one point: what a diagnosis looks at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.verify.derivations.mutations import Mutations
from tinygrad_mlp.verify.derivations.replay import RecordedLoss


class GradientCase(NamedTuple):
    """One parameter's gradients at one point, where the graph has cross entropies not fused."""

    name: str
    mutations: Mutations
    right: Array
    person: Array

    @property
    def recording(self) -> RecordedLoss:
        """The loss recorded at this point."""
        return self.mutations.recording


Further = Callable[[], Iterator[GradientCase]]
"""Yields the gradients of the same parameter at further points, the same for every call."""
