"""The methods of an ndarray that a Tensor has by NumPy's function of the same name."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.tensor import Tensor
from tinygrad_mlp.support.familiar_names import advice

METHODS = ("var", "std", "prod", "cumsum", "cumprod", "repeat", "take", "diagonal", "trace",
           "round", "argmax", "argmin", "argsort", "searchsorted", "nonzero", "all", "any", "ravel",
           "conj", "conjugate", "squeeze", "swapaxes", "clip", "dot")
"""NumPy has functions of these names, with the array first."""


def attribute(tensor: Tensor, name: str) -> Any:
    """Return an attribute that the class does not have: one of the methods, or an error."""
    if name in ("real", "imag"):
        return getattr(np, name)(tensor)
    if name in METHODS:
        return partial(getattr(np, name), tensor)
    message = f"'Tensor' object has no attribute '{name}'"
    of_arrays = hasattr(np.ndarray, name)
    otherwise = (f"ndarray has; use a function of tg, or .numpy().{name} if no gradient is needed."
                 if of_arrays else "")
    if not name.startswith("_"):  # protocols are asked for by everybody
        known = () if of_arrays else (*dir(Tensor), *METHODS)
        otherwise = advice("Tensor", name, known, otherwise)
    if otherwise:
        message += f". {otherwise}"
    raise AttributeError(message, name=name, obj=tensor)


Tensor.__getattr__ = attribute  # type: ignore[method-assign]
