"""The backward rules of the loss's operations, written in the variables of a derivation.

∂L/∂v is the sum of what v receives from its users. Each share is recorded by running the rule of
the user's operation on tracers, and read off as an expression. What a variable in scope holds is
written by its name; any other cotangent by its own rule, any other value by its operation.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import islice
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.backward import unbroadcast
from tinygrad_mlp.autograd.graph import Array, Node, Value
from tinygrad_mlp.autograd.op import OPS, Op, Static
from tinygrad_mlp.program.instructions import Instruction, Variable
from tinygrad_mlp.program.kernel import kernel_of
from tinygrad_mlp.program.trace import Trace, Tracer, as_operand, untraced
from tinygrad_mlp.verify.wrong_line.expressions.rule_code import WRITERS, simplified, sum_of
from tinygrad_mlp.verify.wrong_line.expressions.syntax import number, parsed, transposed
from tinygrad_mlp.verify.wrong_line.graph.loss_graph import LossGraph, Vertex, value_of
from tinygrad_mlp.verify.wrong_line.graph.matching import equal
from tinygrad_mlp.verify.wrong_line.graph.quantities import is_telling

DEEPEST = 4
"""Rules within rules, and operations within operations, that are written."""

FARTHEST = 12
"""Vertices after one that it may be computed to by a single operation."""


JOINS = ("concatenate", "stack")
"""Operations whose arguments people treat one by one: W (h, x), of which h receives a part."""


class RuleWriter:
    """Writes the quantities of a recorded loss in variables of a derivation.

    `variables` are the expressions that may be used, with their values at the same point.
    """

    def __init__(self, graph: LossGraph, variables: Mapping[str, Array | float]) -> None:
        self.graph = graph
        self._arrays = {text: np.asarray(v) for text, v in variables.items() if v is not None}
        self._users: dict[int, list[tuple[Node, int]]] = {}
        for node in graph.nodes:
            for position, parent in enumerate(node):
                if parent is not None and node.op.outputs == 1:
                    self._users.setdefault(id(parent), []).append((node, position))
        self._trace = Trace()
        self._depth = 0

    def written(self, wanted: Array) -> Iterator[ast.expr]:
        """Yield expressions for a cotangent or a share that equals an array."""
        for vertex in self.graph.vertices():
            if _same(self.graph.cotangents.get(id(vertex)), wanted):
                yield from self._cotangents(vertex)
        for users in self._users.values():
            for node, position in users if len(users) > 1 else ():
                if _same(self.graph.shares.get((id(node), position)), wanted):
                    yield from self._tried(node, position)
        for joined in self.graph.nodes:
            users = self._users.get(id(joined), [])
            for user in users if joined.op.name in JOINS and len(users) > 1 else ():
                yield from self._through(joined, user, wanted)

    def _cotangents(self, vertex: Vertex) -> Iterator[ast.expr]:
        """Yield expressions for ∂L/∂v: by one operation that leads further, by the users of v."""
        for op, static, end in self._shortcuts(vertex):
            share = self._share(op, 0, end, [value_of(vertex)], [vertex], static)
            if _same(untraced(share), self.graph.cotangents[id(vertex)]):
                yield from self._expressions(share)
        users = self._users.get(id(vertex), [])
        users = [(node, at) for node, at in reversed(users)
                 if np.any(self.graph.shares.get((id(node), at), 0))]
        shares = [list(islice(self._tried(*user), 1)) for user in users]
        if shares and all(shares):
            yield sum_of([share for (share,) in shares])

    def _tried(self, node: Node, position: int) -> Iterator[ast.expr]:
        assert node.arrays is not None
        share = self._share(node.op, position, node, node.arrays, list(node), node.static)
        yield from self._expressions(share)

    def _through(self, joined: Node, user: tuple[Node, int],
                 wanted: Array) -> Iterator[ast.expr]:
        """Yield what one of several joined arrays receives through a user of the whole."""
        received = self.graph.shares.get((id(user[0]), user[1]))
        if received is None or joined.arrays is None:
            return
        g = self._trace.input(received, ("share", user))
        for position in range(len(joined.arrays)):
            with self._trace.recording():
                share = joined.op.vjp(position, g, joined.out, joined.arrays, joined.static)
            if joined[position] is not None and _same(untraced(share), wanted):
                yield from self._expressions(share)

    def _expressions(self, share: Tracer) -> Iterator[ast.expr]:
        try:
            yield self._written(as_operand(share), whole=True)
        except LookupError:  # something cannot be written in the variables that there are
            return

    def _share(self, op: Op, position: int, end: Node, arrays: Sequence[Array | float],
               parents: Sequence[Node | Value | None], static: Mapping[str, object]) -> Tracer:
        """Return a tracer for what a rule makes of the cotangent of `end`."""
        g = self._trace.input(self.graph.cotangents[id(end)], ("cotangent", end))
        inputs = [self._trace.input(a, ("value", parent)) if isinstance(a, np.ndarray) else a
                  for a, parent in zip(arrays, parents, strict=True)]
        y = self._trace.input(end.out, ("value", end))
        with self._trace.recording(), np.errstate(all="ignore"):
            share = op.vjp(position, g, y, inputs, dict(static))
            return unbroadcast(share, np.asarray(arrays[position]), op, position)

    def _shortcuts(self, start: Vertex) -> Iterator[tuple[Op, Static, Node]]:
        """Yield operations of one array that lead from a vertex to a later one that has a name.

        They are those that several nodes amount to: ``e / e.sum()`` is a softmax.
        """
        x = value_of(start)
        ends = [node for node in self._following(start) if np.ndim(node.out) == x.ndim
                and id(node) in self.graph.cotangents and self._named(node.out) is not None]
        for op, static in functions_of_one() if ends else ():
            with np.errstate(all="ignore"):
                try:
                    y = op.forward(x, **static)
                except (ValueError, IndexError):
                    continue
            yield from ((op, static, end) for end in ends if _same(end.out, y))

    def _following(self, start: Vertex) -> list[Node]:
        """Return the nodes after the direct users of a vertex that are computed from it."""
        reached, found = {id(start)}, []
        for node in self.graph.nodes:
            if any(id(parent) in reached for parent in node):
                reached.add(id(node))
                if node.op.outputs == 1 and not any(parent is start for parent in node):
                    found.append(node)
            if len(found) == FARTHEST:
                break
        return found

    # -- reading off -----------------------------------------------------------------------------

    def _written(self, operand: Any, whole: bool = False) -> ast.expr:
        """Return the code of a traced value; raise LookupError where there is none."""
        if not isinstance(operand, Variable):
            return self._number_or_name(operand)
        name = None if whole and operand.instruction else self._named(operand.data)
        if name is not None:
            return name
        if self._depth > 3 * DEEPEST:
            raise LookupError("too long")
        self._depth += 1
        try:
            if operand.instruction is not None:
                return self._code(operand.instruction)
            return self._of_vertex(*operand.label)
        finally:
            self._depth -= 1

    def _of_vertex(self, kind: str, vertex: Node) -> ast.expr:
        if kind == "share":
            found = next(self._tried(*vertex), None)
            if found is None:
                raise LookupError("not in scope")
            return found
        if self._depth > DEEPEST or not isinstance(vertex, Node):
            raise LookupError("not in scope")
        if kind == "cotangent":
            found = next(self._cotangents(vertex), None)
            if found is None:
                raise LookupError("not in scope")
            return found
        assert vertex.arrays is not None
        inputs = tuple(a if parent is None else self._trace.input(a, ("value", parent)).variable
                       for a, parent in zip(vertex.arrays, vertex, strict=True))
        return self._code(Instruction(vertex.op, inputs, vertex.static, vertex.out))

    def _code(self, line: Instruction) -> ast.expr:
        """Return the code of an instruction, as short as its numbers allow."""
        simpler = simplified(line)
        if simpler is not None:
            return self._written(simpler)
        writer = WRITERS.get(line.op.name)
        operands = [None if o is None else self._written(o) for o in line.operands]
        if writer is not None:
            written: ast.expr = writer(line, *operands)
            return written
        pairs = zip(line.op.arrays, operands, strict=False)
        given = {name: o for name, o in pairs if o is not None}
        if len(given) < len(operands):
            raise LookupError("an argument that is left out, or a list of them")
        return kernel_of(line.op).code(given, line.static)

    def _named(self, array: Array) -> ast.expr | None:
        """Return the variable that holds an array, which may be transposed or a column of it."""
        array = np.asarray(array)
        if array.ndim and array.dtype.kind == "b":
            return self._mask(array)
        if array.ndim == 0 or not is_telling(array):
            return self._scalar(array)
        for text, known in self._arrays.items():
            if known.size != array.size or known.ndim == 0:
                continue
            if equal(known, array):
                return parsed(text)
            if known.ndim == 2 and equal(known.T, array):
                return transposed(parsed(text))
            if known.ndim == 1 and array.ndim == 2 and equal(known.reshape(array.shape), array):
                return parsed(text + ("[:, None]" if array.shape[1] == 1 else "[None, :]"))
        return None

    def _mask(self, array: Array) -> ast.expr | None:
        """Return the variable that holds a mask, or one that is positive where it is true."""
        for text, known in self._arrays.items():
            if known.shape == array.shape:
                if known.dtype.kind == "b" and np.array_equal(known, array):
                    return parsed(text)
                if known.dtype.kind == "f" and np.array_equal(known > 0, array):
                    return parsed(f"{text} > 0")
        return None

    def _number_or_name(self, value: Array | float) -> ast.expr:
        name = self._named(np.asarray(value))
        if name is None:
            raise LookupError("not in scope")
        return name

    def _scalar(self, array: Array) -> ast.expr | None:
        """Return a number, which may be that of all elements, as a variable or as it is."""
        if array.size == 0 or array.dtype.kind not in "fiub" or (array != array.flat[0]).any():
            return None
        value = float(array.flat[0])
        if abs(value) not in (0, 0.5, 1, 2):
            for text, known in self._arrays.items():
                if known.ndim == 0 and abs(float(known) - value) <= 1e-12 * abs(value):
                    return parsed(text)
            for text, known in self._arrays.items():
                if known.ndim == 0 and known.dtype.kind in "iu" and known * value == 1:
                    return parsed(f"1 / {text}")
        return number(value) if value == round(value, 4) else None


@cache
def functions_of_one() -> list[tuple[Op, Static]]:
    """Return the differentiable functions of the elements, and of those along each axis."""
    found: list[tuple[Op, dict[str, Any]]] = []
    for op in OPS.values():
        defaults = dict(op.defaults)
        if not op.forward.__module__.startswith("tinygrad_mlp."):
            continue  # a function of somebody else may do anything
        if op.forward.__module__.endswith(".gamma"):
            continue  # SciPy's polygamma takes minutes where a mask is -1e9
        if op.variadic or len(op.arrays) != 1 or op.rules[0] is None or op.outputs > 1:
            continue
        if op.elementwise and not defaults:
            found.append((op, {}))
        elif set(defaults) == {"axis"}:
            found += [(op, {"axis": axis}) for axis in (-1, 0, 1)]
    return found


def _same(some: Any, other: Any) -> bool:
    """Return whether two arrays have the same numbers, which may lie in other axes of length 1."""
    if some is None or np.size(some) != np.size(other) or isinstance(some, tuple):
        return False
    some, other = np.asarray(some), np.asarray(other)
    if some.ndim == other.ndim == 2 and some.T.shape == other.shape and equal(some.T, other):
        return True
    return equal(some.ravel(), other.ravel())
