"""What the vertices of a recorded network are called: by their names, else as in the document."""

from __future__ import annotations

import re
from collections.abc import Callable

from tinygrad_mlp.autograd.graph import Node, Value
from tinygrad_mlp.verify.derivations.replay import Recording

PRODUCTS = ("matmul", "linear")
ACTIVATIONS = ("tanh", "sigmoid", "relu", "leaky_relu", "softplus", "gelu", "erf", "softmax")

DERIVATIVES: dict[str, Callable[[str], str]] = {
    "tanh": lambda z: f"1 − tanh²({z})",
    "sigmoid": lambda z: f"g({z})(1 − g({z}))",
    "relu": lambda z: f"[{z} > 0]",
}
"""The derivatives of activations as the document writes them."""


def document_names(recording: Recording) -> dict[Node | Value, str]:
    """Names of all vertices that have one, with z2, a2, z3, … for a layered network's others.

    A layer is a product with a parameter, perhaps plus another parameter (z), and what is computed
    from it element by element (a), up to the next product. The input is layer 1.
    """
    names = dict(recording.names)
    taken = set(names.values())
    layer: dict[Node, int] = {}
    for node in recording.nodes:
        below = max((layer.get(p, 1) for p in node if isinstance(p, Node)), default=1)
        with_parameter = any(isinstance(parent, Value) for parent in node)
        if node.op.name in PRODUCTS and with_parameter:
            layer[node] = below + 1
        else:
            layer[node] = below
    for node in recording.nodes:
        number = layer[node]
        if number == 1 or node in names or node.out is None:
            continue
        parents = [p for p in node if p is not None]
        product = node.op.name in PRODUCTS or (
            node.op.name == "add"
            and any(isinstance(p, Value) for p in parents)
            and any(isinstance(p, Node) and p.op.name in PRODUCTS for p in parents)
        )
        if product:
            users = [n for n in recording.nodes if any(p is node for p in n)]
            if any(n.op.name == "add" and any(isinstance(p, Value) for p in n) for n in users):
                continue  # the bias comes yet: z is the sum
            name = f"z{number}"
        elif node.op.name in ACTIVATIONS:
            name = f"a{number}"
        else:
            continue
        if name not in taken:
            names[node] = name
            taken.add(name)
    return names


def layer_number(name: str | None, letter: str = "z") -> int | None:
    """The layer that a name like ``z2`` belongs to.

    >>> layer_number("z2"), layer_number("a3", "a"), layer_number("hidden")
    (2, 3, None)
    """
    match = re.fullmatch(rf"{letter}_?(\d+)", name or "")
    return int(match[1]) if match else None


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
