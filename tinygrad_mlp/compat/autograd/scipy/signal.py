"""`convolve`, as in `scipy.signal`, over all axes or some of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.errors import InvalidArgumentError

__all__ = ["convolve"]


def convolve(A: Any, B: Any, axes: Sequence[Sequence[int]] | None = None,
             dot_axes: Sequence[Sequence[int]] = ((), ()), mode: str = "full") -> Any:
    """Convolve two arrays over all of their axes: `tg.convolve`.

    Raises:
        InvalidArgumentError: `axes` or `dot_axes` are given: `tg.conv2d` has channels.
    """
    if axes is not None or any(map(len, dot_axes)):
        raise InvalidArgumentError(
            "convolve() takes all axes here. Use tg.conv2d for images with channels, and "
            "tg.vmap for a batch.")
    return ops.convolve(A, B, mode)
