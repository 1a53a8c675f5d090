"""The derivation: forward equations, then one adjoint equation for each node, newest first.

The adjoint of v, written v̄, is the derivative of the output with respect to v. The equations come
from the operations' own gradient rules: each is run on tracers and read, so that what is printed
is what the backward pass computes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.autograd.backward import unbroadcast
from tinygrad_mlp.autograd.gradients import leading_to
from tinygrad_mlp.autograd.graph import Node, Value
from tinygrad_mlp.explanation.algebra import Algebra
from tinygrad_mlp.explanation.expression import Application, Expression, Number, Symbol, within
from tinygrad_mlp.explanation.reading import RuleReader
from tinygrad_mlp.explanation.simplify import RULES
from tinygrad_mlp.graph_view.layer_view import Recorded, arrays_of
from tinygrad_mlp.graph_view.names import Name, gradient
from tinygrad_mlp.graph_view.naming import Naming, is_alias, is_filled, key_of
from tinygrad_mlp.program.trace import untraced


class Deriving:
    """Derives the gradients of an output with respect to the targets.

    `forward` are the symbols computed on the way to the output, in order; `backward` the adjoints,
    gradients and auxiliary symbols in the order of the backward pass; `gradients` those of the
    targets, in their order; `auxiliary` names for what occurs several times.
    """

    def __init__(self, graph: Recorded, naming: Naming, targets: Sequence[Value]) -> None:
        self.graph = graph
        self.targets = targets
        self.naming = naming
        self.algebra = Algebra(RULES)
        self.reader = RuleReader(self.algebra, self.constant)
        self.forward: list[Symbol] = []
        self.backward: list[Symbol] = []
        self.auxiliary: set[Symbol] = set()
        self.values: dict[Any, Expression] = {}
        self._defined: dict[Expression, Symbol] = {}
        self._kept: list[Any] = []
        kept = {t.node for t in (*targets, graph.output) if t.node is not None}
        self.inlined = graph.inlined - kept
        self.aliases = {n for n in graph.nodes if is_alias(n)} - kept
        self._record()
        self.gradients = self._differentiate()
        self._name_shared()

    # -- forward ------------------------------------------------------------------------------

    def constant(self, array: Any) -> Expression:
        """The expression for an array that needs no gradient, or a Python number."""
        if isinstance(array, (int, float)):
            return self.algebra.number(array)
        if not self.naming.known(id(array)) and is_filled(array):
            return self.algebra.number(array.flat[0].item(), array.shape, array.dtype)
        self._kept.append(array)  # as long as its identity is used as a key
        return self._symbol(id(array), self.naming.of_constant(array), array)

    def _symbol(self, key: Any, name: Name, array: Any) -> Expression:
        if key not in self.values:
            self.values[key] = Symbol(name, array.shape, array.dtype, value=array)
        return self.values[key]

    def argument(self, node: Node, position: int) -> Expression | None:
        """The expression for an argument of a node."""
        parent, array = node[position], arrays_of(node)[position]
        if parent is None:
            return None if array is None else self.constant(array)
        if isinstance(parent, Value) and parent.node is None:
            # Together with its array: an optimizer may have given it another one since.
            return self._symbol((id(parent), id(array)), self.naming.of_leaf(parent), array)
        return self.values[key_of(parent)]

    def arguments(self, node: Node) -> list[Expression | None]:
        """The expressions for all arguments of a node."""
        return [self.argument(node, position) for position in range(len(node))]

    def _record(self) -> None:
        for node in self.graph.nodes:
            args = self.arguments(node)
            if node in self.aliases:
                assert args[0] is not None
                self.values[node] = args[0]
                continue
            outs = node.out if node.op.outputs > 1 else (node.out,)
            for index, out in enumerate(outs):
                made = self.algebra.apply(node.op, args, node.static, out.shape, out.dtype, index)
                if node in self.inlined:
                    self.values[node] = made
                    continue
                name = self.naming.of_node(node, index)
                symbol = Symbol(name, out.shape, out.dtype, definition=self.reused(made))
                self.values[node if node.op.outputs == 1 else (node, index)] = symbol
                self.forward.append(symbol)
                if isinstance(made, Application):
                    self._defined.setdefault(made, symbol)

    def reused(self, e: Expression) -> Expression:
        """`e`, with the names of what has been computed already."""
        return self.algebra.rewritten(e, self._defined.get)

    # -- backward -----------------------------------------------------------------------------

    def _differentiate(self) -> list[Symbol]:
        output, reader = self.graph.output, self.reader
        assert output.node is not None
        useful = leading_to(
            {(id(t) if t.node is None else t.node): None for t in self.targets}, [output.node])
        left = self._uses(useful)
        one = self.algebra.number(1.0, output.data.shape, output.data.dtype)
        arrived: dict[Any, Any] = {key_of(output): reader.tracer(one)}
        found: dict[Any, Symbol] = {}
        for node in reversed(self.graph.nodes):
            if node not in useful:
                continue
            g = self._adjoint(node, arrived)
            for target in self.targets:
                if target.node is node and key_of(target) not in found:
                    part = g[target.index] if node.op.outputs > 1 else g
                    name = self.naming.of_node(node, target.index)
                    found[key_of(target)] = self._gradient(name, reader.expression(part))
            y = self._outputs(node)
            inputs = [
                None if e is None else reader.tracer(e, a)
                for e, a in zip(self.arguments(node), arrays_of(node), strict=True)]
            for position, parent in enumerate(node):
                key = key_of(parent)
                if parent is None or not (key in left or self._leads(parent, useful)):
                    continue
                share = reader.share(node.op, position, g, y, inputs, node.static)
                with reader.trace.recording():
                    share = unbroadcast(share, arrays_of(node)[position], node.op, position)
                    known = arrived.get(key)
                    arrived[key] = share if known is None else known + share
                if key in left:
                    left[key] -= 1
                    if left[key] == 0:
                        total = self.reused(reader.expression(arrived.pop(key)))
                        found[key] = self._gradient(self.naming.of_leaf(parent), total)
        return [found[key_of(t)] for t in self.targets]

    def _uses(self, useful: set[Node]) -> dict[int, int]:
        """How often each target that is a leaf is used."""
        wanted = {id(t) for t in self.targets if t.node is None}
        uses: dict[int, int] = {}
        for node, _, parent, _ in self.graph.arguments():
            if node in useful and id(parent) in wanted:
                uses[id(parent)] = uses.get(id(parent), 0) + 1
        return uses

    def _leads(self, parent: Any, useful: set[Node]) -> bool:
        node = parent if isinstance(parent, Node) else parent.node
        return node is not None and node in useful

    def _adjoint(self, node: Node, arrived: dict[Any, Any]) -> Any:
        """The carrier of a node's adjoint, once it has been written down under its name."""
        if node.op.outputs > 1:
            return tuple(
                self._named(self.naming.of_node(node, index), arrived.pop((node, index), None), out)
                for index, out in enumerate(node.out))
        g = arrived.pop(node)
        if node in self.inlined or node in self.aliases:
            return g
        return self._named(self.naming.of_node(node), g, node.out)

    def _named(self, of: Name, g: Any, out: Any) -> Any:
        if g is None:
            return self.reader.tracer(self.algebra.number(0.0, out.shape, out.dtype))
        e = self.reused(self.reader.expression(g))
        symbol = Symbol(self.naming.names.adjoint(of), e.shape, e.dtype, definition=e)
        self.backward.append(symbol)
        if isinstance(e, Application):
            self._defined.setdefault(e, symbol)
        # A number is passed on as such: L̄ = 1 as a factor would only be in the way.
        return self.reader.tracer(e if isinstance(e, Number) else symbol, untraced(g))

    def _outputs(self, node: Node) -> Any:
        if node.op.outputs == 1:
            return self.reader.tracer(self.values[node], node.out)
        return tuple(
            self.reader.tracer(self.values[(node, index)], out)
            for index, out in enumerate(node.out))

    def _gradient(self, of: Name, e: Expression) -> Symbol:
        name = gradient(self.naming.of_output(), of)
        symbol = Symbol(name, e.shape, e.dtype, definition=e)
        self.backward.append(symbol)
        return symbol

    # -- what occurs several times ------------------------------------------------------------

    def _name_shared(self) -> None:
        """Give a name to every part of the adjoint equations that occurs more than once.

        A part of one operation is as short as a name would be and stays as it is.
        """
        while True:
            shared = self._largest_shared()
            if shared is None:
                return
            name = self.naming.names.numbered("s")
            symbol = Symbol(name, shared.shape, shared.dtype, definition=shared)
            self.auxiliary.add(symbol)
            first = None
            for place, known in enumerate(self.backward):
                assert known.definition is not None
                new = self.algebra.rewritten(known.definition, {shared: symbol}.get)
                if new is not known.definition:
                    first = place if first is None else first
                    known.definition = new
            assert first is not None
            self.backward.insert(first, symbol)

    def _largest_shared(self) -> Expression | None:
        uses: dict[Expression, int] = {}
        size: dict[Expression, int] = {}
        roots = [s.definition for s in self.backward if s.definition is not None]
        for root in roots:
            uses[root] = uses.get(root, 0) + 1
        for e in within(roots):
            parts = e.parts() if isinstance(e, Application) else ()
            size[e] = sum(size[p] for p in parts) + is_visible(e)
            for part in parts:
                uses[part] = uses.get(part, 0) + 1
        shared = [e for e, n in uses.items() if n > 1 and size[e] > 1]
        return max(shared, key=size.__getitem__, default=None)


def is_visible(e: Expression) -> bool:
    """Whether it is an operation that takes up space: not a sign, or a mere change of shape."""
    hidden = (ops.negative, ops.reshape, ops.broadcast_to, ops.astype)
    return isinstance(e, Application) and e.op not in hidden
