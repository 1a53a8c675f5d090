"""The special functions: `scipy.special`, whose ufuncs take tensors, and what replaces the rest."""

from typing import Any

from tinygrad_mlp.autograd.ops import (
    jn,
    log_softmax,
    logsumexp,
    multigammaln,
    polygamma,
    softmax,
    yn,
)
from tinygrad_mlp.autograd.ops.elementwise.special import scipy_special

__all__ = ["jn", "log_softmax", "logsumexp", "multigammaln", "polygamma", "softmax", "yn"]


def __getattr__(name: str) -> Any:
    """Return the function of `scipy.special`, which is loaded then."""
    return getattr(scipy_special(), name)
