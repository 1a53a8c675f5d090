"""The names of variables in a recorded step: `z2`, `a2`, `delta2`."""

from __future__ import annotations

from typing import Any

from tinygrad_mlp.autograd.graph import Node, Value
from tinygrad_mlp.autograd.op import Op
from tinygrad_mlp.graph_view.layer_view import find_layers, named_parts
from tinygrad_mlp.program.instructions import Variable
from tinygrad_mlp.program.trace import Tracer, as_operand


class LayerNames:
    """Collects the operations of a forward pass and names the parts of their layers."""

    def __init__(self) -> None:
        self._nodes: list[Node] = []
        self._node_of: dict[Variable, Node] = {}
        self._given = False

    def add(self, op: Op, args: tuple[object, ...], static: dict[str, object],
            result: Value) -> None:
        """Note an operation, until the names have been given."""
        if self._given:
            return
        node = result.node
        if node is None or not result.requires_grad:  # under no_grad(), nodes have no parents
            arrays = tuple(a.data if isinstance(a, Value) else a for a in args)
            node = Node([self._origin(a) for a in args], op, arrays, static, result.data)
        self._nodes.append(node)
        made: Any = result.data
        if type(made) is Tracer:
            self._node_of[made.variable] = node

    def _origin(self, argument: Any) -> Node | Value | None:
        """Return what a node lists as a parent: the node of a result, or a parameter."""
        data: Any = argument.data if isinstance(argument, Value) else None
        if type(data) is not Tracer:
            return None
        leaf = isinstance(argument, Value) and argument.requires_grad
        return argument if leaf else self._node_of.get(data.variable)

    def give(self) -> None:
        """Name the variables; what is added later gets no name."""
        for node, position, name in named_parts(find_layers(self._nodes)):
            assert node.arrays is not None
            give_name(node.out if position is None else node.arrays[position], name)
        self._nodes.clear()
        self._node_of.clear()
        self._given = True


def give_name(value: object, name: str | None) -> None:
    """Give the variable of a traced value a name if it has none."""
    variable = as_operand(value)
    if isinstance(variable, Variable) and variable.name is None:
        variable.name = name
