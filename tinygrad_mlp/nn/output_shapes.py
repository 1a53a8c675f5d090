"""The shapes of what the layers of a model return."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tinygrad_mlp.autograd.pytree import leaves


def output_shapes(modules: dict[str, Any], call: Callable[[], object]) -> dict[str, str]:
    """Return the shapes of the outputs of modules by path, as text, in a call of their model.

    Different shapes are in lines of their own; a module that is not called has none.
    """
    found: dict[str, list[str]] = {path: [] for path in modules}
    for path, module in modules.items():
        vars(module)["forward"] = _noting(module.forward, found[path])
    try:
        call()
    finally:
        for module in modules.values():
            del vars(module)["forward"]
    return {path: "\n".join(dict.fromkeys(shapes)) for path, shapes in found.items()}


def _noting(forward: Callable[..., object], shapes: list[str]) -> Callable[..., object]:
    """Return a forward function that notes the shapes of what it returns."""

    def noting(*inputs: object) -> Any:
        output = forward(*inputs)
        shapes.extend(str(value.shape) for value in leaves(output) if hasattr(value, "shape"))
        return output

    return noting
