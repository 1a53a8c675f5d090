"""Names of the vertices of a recorded graph, and derivatives of activations as text."""

from __future__ import annotations

from collections.abc import Callable

from tinygrad_mlp.autograd.graph import Node, Value
from tinygrad_mlp.graph_view.layer_view import find_layers, named_parts
from tinygrad_mlp.graph_view.names import layer_number
from tinygrad_mlp.verify.derivations.replay import Recording

PRODUCTS = ("matmul", "linear")

DERIVATIVES: dict[str, Callable[[str], str]] = {
    "tanh": lambda z: f"1 − tanh²({z})",
    "sigmoid": lambda z: f"g({z})(1 − g({z}))",
    "relu": lambda z: f"[{z} > 0]",
}
"""The derivatives of activations as text, for an argument of a given name."""


def names_in(recording: Recording) -> dict[Node | Value, str]:
    """Return the vertices' names: those the user gave, and z2, a2, z3, … for parts of layers."""
    names = dict(recording.names)
    taken = set(names.values())
    for node, position, name in named_parts(find_layers(recording.nodes)):
        vertex = node if position is None else node[position]
        if vertex is not None and vertex not in names and name not in taken:
            names[vertex] = name
            taken.add(name)
    return names


def factor_text(op: str, z: str | None, a: str | None, column: bool) -> str:
    """The local derivative of an activation, as a factor of the gradient.

    Args:
        op: the operation.
        z: the name of its argument.
        a: the name of its result.
        column: whether z is one column vector, so that the factor is a diagonal matrix.

    >>> factor_text("tanh", "z2", "a2", True)
    'D2 = diag(1 − tanh²(z2))'
    """
    where = z or "its argument"
    text = DERIVATIVES[op](where) if op in DERIVATIVES else f"{op}′({where})"
    number = layer_number(z)
    if number is None:
        number = layer_number(a, "a")
    if not column:
        return text
    return f"D{number} = diag({text})" if number is not None else f"diag({text})"
