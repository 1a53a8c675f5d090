"""NumPy with arrays that record stores, as `tinygrad_mlp.numpy`, under autograd's name."""

from typing import Any

from tinygrad_mlp import numpy as _numpy

globals().update({_k: _v for _k, _v in vars(_numpy).items() if _k[0] != "_"})


def __getattr__(name: str) -> Any:
    """Return what NumPy loads when it is first used."""
    return getattr(_numpy, name)


def __dir__() -> list[str]:
    return dir(_numpy)
