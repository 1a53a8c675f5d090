"""A recorded graph as a program: which line computes the value, or the gradient, of which node.

A formula and its line of NumPy meet at the node, and not by name: a name may be missing in one of
the two, as where an operation is composed or a bias is added in a line of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.backward import unbroadcast
from tinygrad_mlp.autograd.graph import Node, Value
from tinygrad_mlp.graph_view.layer_view import Recorded, arrays_of
from tinygrad_mlp.graph_view.names import layer_number
from tinygrad_mlp.graph_view.naming import Naming
from tinygrad_mlp.program.codegen.source import NumPySource, numpy_source
from tinygrad_mlp.program.instructions import Instruction, Number, Variable
from tinygrad_mlp.program.passes.pipeline import simplify
from tinygrad_mlp.program.program import Program
from tinygrad_mlp.program.recording import InputSource
from tinygrad_mlp.program.trace import Trace, Tracer, as_operand

VALUE, GRADIENT = "value", "gradient"

Vertex = Node | int
"""A node, or the identity of a leaf."""

Place = tuple[Vertex, str]
"""A vertex, and which of its arrays is meant: `VALUE` or `GRADIENT`."""


@dataclass(frozen=True)
class GraphProgram:
    """The forward and the backward pass of a graph as NumPy source code.

    Attributes:
        program: the instructions. The results are the output and the gradients of the leaves, in
            the order of the backward pass.
        source: the code, in lines.
        lines: for each vertex and "value" or "gradient", the numbers of its lines, from 0.
    """

    program: Program
    source: tuple[str, ...]
    lines: dict[Place, tuple[int, ...]]


def graph_program(graph: Recorded, naming: Naming) -> GraphProgram:
    """Write the forward and the backward pass of a graph as NumPy code.

    Raises:
        TraceError: a gradient rule needs the numbers themselves, so that no program can hold it.
    """
    passes = _Passes(graph, naming)
    places = list(passes.found)
    # As results of the program, what belongs to a place comes through all changes of the program.
    program = simplify(passes.program(passes.found.values()))
    belongs = dict(zip(places, program.results, strict=True))
    shown = [a for place, a in belongs.items() if place in passes.returned]
    returning = replace(program, results=tuple(shown))
    source = NumPySource(returning)
    numbers = source.line_numbers()
    lines = {
        place: tuple(numbers[line] for line in made if line in numbers)
        for place, made in _instructions(belongs, program)}
    return GraphProgram(returning, tuple(source.text.strip("\n").split("\n")), lines)


def _instructions(belongs: dict[Place, object],
                  program: Program) -> Iterator[tuple[Place, list[Instruction]]]:
    """Yield for each place the instructions that it needs and no place before it does."""
    order = {line: number for number, line in enumerate(program.instructions)}
    made_by = {result: line for line in order for result in line.results}
    known: set[Variable] = set()
    for place, variable in belongs.items():
        needed: set[Instruction] = set()
        pending = [variable]
        while pending:
            asked = pending.pop()
            if isinstance(asked, Variable) and asked in made_by and asked not in known:
                known.add(asked)
                needed.add(made_by[asked])
                pending += made_by[asked].operands
        if not needed and isinstance(variable, Variable) and variable in made_by:
            needed = {made_by[variable]}  # the same numbers as at a place before it
        yield place, sorted(needed, key=order.__getitem__)


class _Passes:
    """Both passes of a graph, done on tracers; `found` is what belongs to each place."""

    def __init__(self, graph: Recorded, naming: Naming) -> None:
        self.graph = graph
        self.naming = naming
        self.leaves = graph.leaves()
        self.trace = Trace()
        self.inputs: list[Variable] = []
        self.found: dict[Place, Any] = {}
        self._made: dict[Any, Any] = {}
        for node in graph.nodes:
            self._forward(node)
        with np.errstate(all="ignore"):
            self._backward()
        self.returned = {(graph.output.node, VALUE), *((leaf, GRADIENT) for leaf in self.leaves)}

    def program(self, results: Iterable[object]) -> Program:
        """Return the program of what has been recorded."""
        return Program(tuple(self.inputs), tuple(self.trace.instructions), tuple(results),
                       name="step", write_source=numpy_source)

    def _forward(self, node: Node) -> None:
        arguments = map(self._argument, node, arrays_of(node))
        made = Instruction(node.op, tuple(map(as_operand, arguments)), node.static, node.out)
        self.trace.instructions.append(made)
        for index, result in enumerate(made.results):
            if node not in self.graph.inlined:
                result.name = self.naming.of_node(node, index).text
            self._made[node, index] = Tracer.of(result)
        self.found[node, VALUE] = made.results[0]

    def _argument(self, parent: Node | Value | None, array: Any) -> Tracer:
        if isinstance(parent, Node):
            return self._made[parent, 0]
        if parent is not None and parent.node is not None:
            return self._made[parent.node, parent.index]
        if parent is None and (array is None or type(array) in Number):
            return array
        key = id(array) if parent is None else id(parent)
        if key not in self._made:
            tracer = self.trace.input(array, InputSource("data" if parent is None else "parameter"))
            tracer.variable.name = self.naming.of_argument(parent, array).text
            self.inputs.append(tracer.variable)
            self._made[key] = tracer
        return self._made[key]

    def _backward(self) -> None:
        output = self.graph.output
        arrived: dict[Any, Any] = {_key(output): np.ones_like(output.data)}
        oldest_user: dict[int, Node] = {}
        for node, _, parent, _ in self.graph.arguments():
            if id(parent) in self.leaves:
                oldest_user.setdefault(id(parent), node)
        for node in reversed(self.graph.nodes):
            g = self._cotangent(node, arrived)
            y = tuple(self._made[node, index] for index in range(node.op.outputs))
            inputs = tuple(map(self._argument, node, arrays_of(node)))
            for position, parent in enumerate(node):
                if parent is None:
                    continue
                with self.trace.recording():
                    share = node.op.vjp(position, g, y if node.op.outputs > 1 else y[0], inputs,
                                        node.static)
                    like = arrays_of(node)[position]
                    share = unbroadcast(share, like, node.op, position)
                    known = arrived.get(_key(parent))
                    arrived[_key(parent)] = share if known is None else known + share
            for leaf, user in oldest_user.items():
                if user is node:
                    name = self.naming.of_leaf(self.leaves[leaf]).text
                    self._belongs(leaf, arrived[leaf], f"grad_{name}")

    def _cotangent(self, node: Node, arrived: dict[object, object]) -> Any:
        """Return the cotangent of a node, a tuple where it has several outputs."""
        outs = node.op.as_tuple(node.out)
        parts = [arrived.get((node, index)) for index in range(len(outs))]
        for index, part in enumerate(parts):
            if part is not None and node not in self.graph.inlined:
                name = self.naming.of_node(node, index).text
                number = layer_number(name)
                self._belongs(node, part, f"g_{name}" if number is None else f"delta{number}")
        if len(outs) == 1:
            return parts[0]
        if node.op.record.unused_as_none:
            return tuple(parts)
        return tuple(np.zeros_like(out) if part is None else part
                     for part, out in zip(parts, outs, strict=True))

    def _belongs(self, vertex: Vertex, gradient: Any, name: str) -> None:
        operand = as_operand(gradient)
        if isinstance(operand, Variable) and operand.name is None:
            operand.name = name
        self.found.setdefault((vertex, GRADIENT), operand)


def _key(parent: Node | Value) -> Any:
    """Return the key of what arrives at a parent: an output of a node, or a leaf."""
    if isinstance(parent, Node):
        return parent, 0
    return id(parent) if parent.node is None else (parent.node, parent.index)
