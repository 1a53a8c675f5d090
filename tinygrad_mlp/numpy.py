"""NumPy with arrays that record what is stored into them: ``import tinygrad_mlp.numpy as np``.

Everything here is NumPy's own, but for the functions that create arrays (`zeros`, `empty`, `array`,
`zeros_like`, …). While a function is differentiated, checked or traced, their arrays of
floating-point numbers record stores, so that gradients flow through ``h[t] = np.tanh(...)``.
Elsewhere they are plain arrays. `array`, `sum` and other reductions take lists of tensors.

>>> import tinygrad_mlp as tg
>>> import tinygrad_mlp.numpy as np
>>> def powers(x):
...     y = np.ones(3)
...     for i in range(1, 3):
...         y[i] = y[i - 1] * x
...     return np.sum(y)  # 1 + x + x²
>>> float(tg.grad(powers)(3.0))
7.0
>>> type(np.zeros(2)).__name__
'ndarray'
"""

from typing import Any

import numpy as _numpy

from tinygrad_mlp.autograd.stores.creation import NUMPY as _NUMPY

globals().update({_k: _v for _k, _v in vars(_NUMPY).items() if _k[0] != "_"})


def __getattr__(name: str) -> Any:
    """Return what NumPy loads when it is first used."""
    return getattr(_numpy, name)


def __dir__() -> list[str]:
    return dir(_numpy)
