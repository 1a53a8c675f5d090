"""`Sequential`: modules one after another."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.nn.module import Module


class Sequential(Module):
    """Modules one after another: the output of each is the input of the next.

    Args:
        layers: the modules, or one list of them.

    Raises:
        InvalidArgumentError: one of them is not a module.

    >>> import numpy as np, tinygrad_mlp as tg
    >>> rng = np.random.default_rng(0)
    >>> tg.nn.Sequential(tg.nn.Linear(4, 3, rng=rng), tg.nn.Tanh())
    Sequential(                               # 15 parameters
      (0) Linear(4, 3)                          # 15 parameters
      (1) Tanh()
    )
    """

    def __init__(self, *layers: Any) -> None:
        if len(layers) == 1 and isinstance(layers[0], (list, tuple)):
            layers = tuple(layers[0])
        for i, layer in enumerate(layers):
            if not isinstance(layer, Module):
                made = f" Did you mean {layer.__name__}()?" if isinstance(layer, type) else ""
                raise InvalidArgumentError(
                    f"Sequential() expects modules. Argument {i} is {layer!r}.{made}"
                )
        self.layers: list[Module] = list(layers)

    def _members(self) -> Iterator[tuple[str, Any]]:
        # "0.weight" and not "layers.0.weight", as in other frameworks.
        for name, member in super()._members():
            yield name.removeprefix("layers."), member

    def forward(self, x: Any) -> Any:
        """Apply the layers in order."""
        for layer in self.layers:
            x = layer(x)
        return x

    def __len__(self) -> int:
        return len(self.layers)

    def __iter__(self) -> Iterator[Module]:
        return iter(self.layers)

    def __getitem__(self, index: int) -> Module:
        return self.layers[index]
