"""The gradient of a function as a function, so that it can be checked like one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.autograd.gradients import gradients
from tinygrad_mlp.autograd.graph import Value, make_value
from tinygrad_mlp.autograd.mode import MODE, changed_mode
from tinygrad_mlp.autograd.pytree import leaves, rebuild
from tinygrad_mlp.autograd.tensor import Tensor
from tinygrad_mlp.verify.gradients.probe import Probe, data_of


def probe_of_gradient(probe: Probe, rng: np.random.Generator) -> Probe:
    """Return the gradient of a probe's function, as a function of its inputs and of cotangents."""
    values = probe.record(probe.original).outputs
    cotangents = [
        rng.standard_normal(output.shape).astype(data_of(value).dtype)
        for output, value in zip(probe.outputs, values, strict=True)
    ]
    names = [*probe.inputs, *(f"cotangent of {output.name}" for output in probe.outputs)]
    second = Probe(pulled_back(probe.f), (probe.args, cotangents), names)
    second.outputs = [
        output._replace(name=f"gradient of {name}")
        for output, name in zip(second.outputs, probe.inputs, strict=True)
    ]
    return second


def pulled_back(f: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function ``(args, cotangents) -> gradients of f``, which order 2 differentiates.

    It is linear in the cotangents, which are inputs as well: a rule that loses the history of
    its cotangent is wrong at second order only.
    """

    def gradients_of(args: tuple[Any, ...], cotangents: list[Any]) -> list[Any]:
        given = leaves(args)
        # (Complex numbers are there only because a complex step is being taken.)
        inputs = []
        for i, a in enumerate(given):
            if isinstance(a, Value) and a.data.dtype.kind in "fc":
                # A new vertex, which continues the argument's history where it has one.
                new = ops.identity(a) if a.requires_grad else make_value(Tensor, a.data, None, True)
                given[i] = new
                inputs.append(new)
        with changed_mode(recording=True, depth=MODE.get().depth + 1):
            outs = leaves(f(*rebuild(args, given)))
            outs = [v for v in outs if np.asarray(data_of(v)).dtype.kind in "fc"]
            pairs = [
                (v, u) for v, u in zip(outs, cotangents, strict=True)
                if isinstance(v, Value) and v.requires_grad
            ]  # fmt: skip
            found = gradients(pairs, inputs, create_graph=True) if pairs else [None] * len(inputs)
        return [
            Tensor(np.zeros(x.data.shape, x.data.dtype)) if g is None else g
            for g, x in zip(found, inputs, strict=True)
        ]

    return gradients_of
