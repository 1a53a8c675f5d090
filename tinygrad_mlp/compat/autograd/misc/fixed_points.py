"""`fixed_point` with autograd's arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tinygrad_mlp import autograd

__all__ = ["fixed_point"]


def fixed_point(f: Callable[..., Callable[..., object]], a: object, x0: object,
                distance: Callable[..., object] | None = None, tol: float = 1e-10) -> Any:
    """Solve ``x = f(a)(x)``, from x0: `tg.fixed_point`, which measures distances itself."""
    return autograd.fixed_point(lambda a, x: f(a)(x), a, x0, tol=tol)
