"""`Distributions`: the outputs of the layers of a network and their gradients, epoch by epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_mlp.autograd.backward import propagate
from tinygrad_mlp.autograd.graph import Array, Value
from tinygrad_mlp.errors import InvalidArgumentError, StateDictError
from tinygrad_mlp.nn import Module
from tinygrad_mlp.nn.module import evaluation, precision
from tinygrad_mlp.support.checks import integer_at_least

if TYPE_CHECKING:
    from tinygrad_mlp.training.run import Run


class Distributions:
    """A callback that keeps the outputs v of each layer and ``∂L/∂v``, before and after each epoch.

    Both are computed on samples of your choice, in evaluation mode, and do not change a bit of the
    training. `tg.plotting.plot_distributions` draws them.

    Layers are the modules without modules inside, as "0 Linear", "1 Tanh", …; an output that a
    layer passes on unchanged is listed once. Some losses are computed from the input of the last
    layer instead of its output, as the cross entropy from the input of the sigmoid: then there is
    no gradient of that output.

    Args:
        loss: a function ``(prediction, target)`` that returns the mean over samples.
        X: inputs of the samples, shape ``(n, ...)``; some hundred are enough.
        Y: their targets, shape ``(n, ...)``.
        values: the most numbers that are kept of each array, evenly spread over it.

    Attributes:
        epochs: the number of epochs trained before each look, from 0.
        activations: for each layer the array of its outputs at each look.
        gradients: for each layer that a gradient reaches the array of ``∂L/∂v`` at each look.
        with_parameters: the names of the layers that have parameters.

    Raises:
        InvalidArgumentError: `loss` is not a function, or `values` not a positive integer.

    >>> import tinygrad_mlp as tg
    >>> rng = np.random.default_rng(0)
    >>> model = tg.nn.Sequential(tg.nn.Linear(2, 3, rng=rng), tg.nn.Tanh(), tg.nn.Linear(3, 1))
    >>> X, Y = rng.normal(size=(8, 2)), np.ones((8, 1))
    >>> seen = Distributions(tg.nn.squared_error, X, Y)
    >>> _ = tg.fit(model, tg.nn.squared_error, tg.optim.SGD(model.parameters(), lr=0.1), X, Y,
    ...            epochs=2, callbacks=[seen])
    >>> seen.epochs, [array.size for array in seen.gradients["1 Tanh"]]
    ([0, 1, 2], [24, 24, 24])
    """

    def __init__(self, loss: Callable[[Any, Any], Any], X: Any, Y: Any,
                 values: int = 10_000) -> None:
        if not callable(loss):
            raise InvalidArgumentError(
                f"Distributions: loss must be a function (prediction, target). Got {loss!r}.")
        self.loss = loss
        self.X, self.Y = (a.data if isinstance(a, Value) else np.asarray(a) for a in (X, Y))
        self.values = integer_at_least(1, values, "Distributions: values")
        self._forget()

    def _forget(self) -> None:
        self.epochs: list[int] = []
        self.activations: dict[str, list[Array]] = {}
        self.gradients: dict[str, list[Array]] = {}
        self.with_parameters: set[str] = set()

    def state_dict(self) -> dict[str, Any]:
        """Return everything that was collected."""
        return {"epochs": self.epochs, "activations": self.activations, "gradients": self.gradients,
                "with_parameters": sorted(self.with_parameters)}

    def load_state_dict(self, stored: Mapping[str, Any]) -> None:
        """Take over a state that `state_dict` has returned.

        Raises:
            StateDictError: it holds something else; nothing is changed.
        """
        epochs, names = stored["epochs"], stored["with_parameters"]
        values = [stored["activations"], stored["gradients"]]
        arrays = [a for by_name in values for kept in by_name.values() for a in kept]
        if not (all(isinstance(epoch, int) for epoch in epochs)
                and all(isinstance(array, np.ndarray) for array in arrays)
                and all(isinstance(name, str) for name in names)):
            raise StateDictError(
                "Distributions: the stored state must hold epochs, arrays by name, and names. Got "
                "others. Start again without it.")
        self.epochs, (self.activations, self.gradients) = epochs, values
        self.with_parameters = set(names)

    def on_start(self, run: Run) -> None:
        """Forget an earlier run, and look at the untrained network."""
        self._forget()
        self.look(run.model, 0)

    def on_epoch(self, run: Run) -> None:
        """Look at the network as it is now."""
        self.look(run.model, run.epoch + 1)

    def look(self, model: Module, epoch: int) -> None:
        """Keep the present outputs and gradients, under that number of epochs."""
        dtype = precision(model)
        X, Y = (a.astype(dtype, copy=False) for a in (self.X, self.Y))
        with evaluation(model), _observed(model) as outputs:
            value = self.loss(model(X), Y)
        if isinstance(value, Value) and value.requires_grad:
            for values in outputs.values():
                for v in values:
                    if v.requires_grad and v.node is not None:
                        v.retain_grad()  # type: ignore[attr-defined]
            # The leaves' own gradients are left alone: they may be needed by the optimizer.
            propagate([(value, np.ones_like(value.data))], lambda *share: None, release=True)
        self.epochs.append(epoch)
        for name, module in _layers(model):
            values = outputs.get(name, [])
            if any(True for _ in module.parameters()):
                self.with_parameters.add(name)
            found = [v.grad for v in values if v.node is not None and v.grad is not None]
            self._keep(self.activations, name, [v.data for v in values])
            self._keep(self.gradients, name, found)

    def _keep(self, kept: dict[str, list[Array]], name: str, arrays: list[Array]) -> None:
        """Keep elements of some arrays, evenly spread."""
        if arrays:
            flat = np.concatenate([array.ravel() for array in arrays])
            if flat.size > self.values:
                flat = flat[np.linspace(0, flat.size - 1, self.values).astype(np.intp)]
            kept.setdefault(name, []).append(flat)


def _layers(model: Module) -> Iterator[tuple[str, Module]]:
    """Yield the modules without modules inside, each once, with their names."""
    seen: set[int] = set()
    for path, module in model.named_modules():
        if id(module) not in seen and sum(1 for _ in module.named_modules()) == 1:
            seen.add(id(module))
            yield f"{path} {type(module).__name__}".strip(), module


@contextmanager
def _observed(model: Module) -> Iterator[dict[str, list[Value]]]:
    """Collect the outputs of the layers that are called in the block."""
    outputs: dict[str, list[Value]] = {}
    listed: set[int] = set()
    replaced: list[tuple[Module, Any]] = []

    def watched(name: str, forward: Callable[..., object]) -> Callable[..., object]:
        def forward_and_note(*args: object, **kwargs: object) -> Any:
            listed.update(id(a) for a in args)  # passed on unchanged, it is not an output
            out = forward(*args, **kwargs)
            if isinstance(out, Value) and id(out) not in listed:
                listed.add(id(out))
                outputs.setdefault(name, []).append(out)
            return out

        return forward_and_note

    try:
        for name, module in _layers(model):
            # In the instance, where Python looks before it looks in the class.
            replaced.append((module, module.__dict__.get("forward")))
            module.__dict__["forward"] = watched(name, module.forward)
        yield outputs
    finally:
        for module, own in replaced:
            if own is None:
                del module.__dict__["forward"]
            else:
                module.__dict__["forward"] = own
