"""The closed product form: the gradients of a layered network with one sample, as in the tutorial.

With vectors as columns, an elementwise function multiplies the adjoint by a diagonal matrix D of
its slopes, and ``z = W a`` by Wᵀ. So the gradients are products, read off from the loss downwards:

    ∇_W2 L = D3 ∂L/∂a3 a2ᵀ          ∇_W1 L = D2 W2ᵀ D3 ∂L/∂a3 xᵀ

The slopes and the derivative of the loss come from the operations' gradient rules, too.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.autograd.gradients import origin
from tinygrad_mlp.autograd.graph import Node, Value
from tinygrad_mlp.autograd.op import OPS, Op
from tinygrad_mlp.explanation.algebra import Algebra, diag
from tinygrad_mlp.explanation.derive import Deriving
from tinygrad_mlp.explanation.expression import Application, Expression, Number, Symbol, within
from tinygrad_mlp.explanation.simplify import is_op
from tinygrad_mlp.graph_view.layer_view import Layer, arrays_of
from tinygrad_mlp.graph_view.names import gradient

BINARY_CROSS_ENTROPY = OPS["binary_cross_entropy"]
LOSSES = (ops.squared_error, ops.sigmoid_cross_entropy, BINARY_CROSS_ENTROPY,
          OPS["softmax_cross_entropy"], OPS["categorical_cross_entropy"])


class Adjoint(NamedTuple):
    """The adjoint of a node as a product, on the way down.

    `column` is the product so far, `slope` what it is to be multiplied by element by element, as a
    column; None for nothing.
    """

    column: Expression
    slope: Expression | None
    node: Node


class ClosedForms:
    """Finds the closed forms of the gradients of a derivation.

    `products` are, for each target that has them, in the order of the tutorial (last layer first),
    its gradient's forms, the simplest last; `slopes` are the diagonal matrices in them.
    """

    def __init__(self, deriving: Deriving) -> None:
        self.deriving = deriving
        self.graph = deriving.graph
        self.algebra = deriving.algebra
        self.reader = deriving.reader
        self.products: list[list[Symbol]] = []
        self.slopes: list[Symbol] = []
        loss = self.graph.output.node
        known = loss is not None and loss.op in LOSSES and loss[1] is None
        if not known or loss is None or not self.graph.layers:
            return
        found: dict[int, list[Symbol]] = {}
        for start in self._starts(loss):
            self._descend(start, found)
        self.products = list(found.values())

    # -- the loss -----------------------------------------------------------------------------

    def _starts(self, loss: Node) -> Iterator[Adjoint]:
        """The derivative of the loss with respect to what it was computed from.

        The cross entropy has two forms: one through the sigmoid, and the simple one from z.
        """
        target = self.deriving.argument(loss, 1)
        prediction = origin(loss[0])
        if prediction is None or target is None or not self._single(prediction):
            return
        logits: Node | None = None
        if loss.op is ops.sigmoid_cross_entropy:
            logits = prediction
        elif prediction.op is ops.sigmoid and loss.op is BINARY_CROSS_ENTROPY:
            logits = origin(prediction[0])
        if logits is not None:
            z = self.deriving.values[logits]
            guess = self.algebra.apply(ops.sigmoid, (z,), {}, z.shape, z.dtype)
            outer = self._loss_slope(BINARY_CROSS_ENTROPY, guess, target, loss)
            inner = self.reader.derivative(ops.sigmoid, 0, guess, [z], {})
            yield Adjoint(self._column(outer), self._column(inner), logits)
            simple = self._loss_slope(ops.sigmoid_cross_entropy, z, target, loss)
            yield Adjoint(self._column(simple), None, logits)
            return
        guess = self._written_out(prediction)
        slope = self._column(self._loss_slope(loss.op, guess, target, loss))
        if loss.op is ops.squared_error:
            slope = self._target_first(slope, self._column(target))
        yield Adjoint(slope, None, prediction)

    def _loss_slope(self, op: Op, prediction: Expression, target: Expression,
                    loss: Node) -> Expression:
        """The derivative of a loss with respect to its prediction."""
        return self.reader.derivative(op, 0, None, [prediction, target], loss.static)

    def _target_first(self, slope: Expression, target: Expression) -> Expression:
        """``ŷ − y`` written as ``−(y − ŷ)``, as the tutorial has it for the squared error."""

        def turned(e: Expression) -> Expression | None:
            if is_op(e, ops.subtract) and e.parts()[1] is target:
                raw = Algebra().like(e, ops.subtract, *e.parts()[::-1])
                return Application(ops.negative, (raw,), {}, e.shape, e.dtype)
            return None

        return self.algebra.rewritten(slope, turned)

    # -- down the layers ----------------------------------------------------------------------

    def _descend(self, adjoint: Adjoint, found: dict[int, list[Symbol]]) -> None:
        """Multiply by what each node contributes, and note the gradients on the way."""
        layers = {layer.z: layer for layer in self.graph.layers}
        while True:
            layer = layers.get(adjoint.node)
            if layer is None:
                step = self._through(adjoint)
                if step is None:
                    return
                adjoint = step
                continue
            parts = self._of_layer(layer)
            if parts is None:
                return
            weight, below = parts
            column = self._times_slope(adjoint, layer)
            product = self.algebra.product(column, self.algebra.transposed(below))
            self._note(layer.product, layer.weight, product, found)
            if layer.bias is not None:
                self._note(*layer.bias, column, found)
            column = self.algebra.product(self.algebra.transposed(weight), column)
            under = origin(layer.product[layer.input])
            if under is None:
                self._note(layer.product, layer.input, column, found)
                return
            if not self._single(under):
                return
            adjoint = Adjoint(column, None, under)

    def _through(self, adjoint: Adjoint) -> Adjoint | None:
        """Past an elementwise function, or a mere change of shape."""
        node = adjoint.node
        places = [i for i, parent in enumerate(node) if origin(parent) is not None]
        under = origin(node[places[0]]) if len(places) == 1 else None
        if under is None or not self._single(under) or under.out.size != node.out.size:
            return None
        if node.op in (ops.reshape, ops.identity, ops.transpose):
            return adjoint._replace(node=under)
        if not node.op.record.elementwise and node.op in OPS.values():
            return None
        slope = self.reader.derivative(
            node.op, places[0], self._written_out(node), self.deriving.arguments(node), node.static)
        if slope.shape != under.out.shape or not self._is_diagonal(slope):
            return None
        slope = self._column(slope)
        if adjoint.slope is not None:
            slope = self.algebra.like(slope, ops.multiply, adjoint.slope, slope)
        return adjoint._replace(slope=slope, node=under)

    def _is_diagonal(self, slope: Expression) -> bool:
        """Whether every operation in it is elementwise, so that outputs depend on one input."""
        return all(
            not isinstance(e, Application) or e.op.record.elementwise for e in within([slope]))

    def _times_slope(self, adjoint: Adjoint, layer: Layer) -> Expression:
        """``D v`` with D the diagonal matrix of the slopes of what follows a layer."""
        slope, column = adjoint.slope, adjoint.column
        if slope is None or (isinstance(slope, Number) and slope.number == 1):
            return column
        n = column.shape[0]
        matrix = self.algebra.apply(diag, (slope,), {}, (n, n), slope.dtype)
        known = next((s for s in self.slopes if s.definition is matrix), None)
        if known is None:
            label = self.deriving.naming.names.unique(f"D{layer.number}")
            known = Symbol(label, matrix.shape, matrix.dtype, definition=matrix)
            self.slopes.append(known)
        return self.algebra.product(known, column)

    def _of_layer(self, layer: Layer) -> tuple[Expression, Expression] | None:
        """W and a column of a, where the layer is ``W a`` for a single sample."""
        weight = self.deriving.argument(layer.product, layer.weight)
        below = self.deriving.argument(layer.product, layer.input)
        assert weight is not None and below is not None
        if layer.product.op is ops.linear:
            single = below.ndim == 1 or math.prod(below.shape[:-1]) == 1
        else:
            single = layer.weight == 0 and (below.ndim == 1 or below.shape[1:] == (1,))
        return (weight, self._column(below)) if single else None

    def _note(self, node: Node, position: int, product: Expression,
              found: dict[int, list[Symbol]]) -> None:
        """Keep a product if it is the gradient of a target."""
        leaf = node[position]
        target = next((t for t in self.deriving.targets if t is leaf), None)
        if target is None or self._uses(leaf) > 1:
            return
        shaped = self.algebra.shaped(product, arrays_of(node)[position].shape)
        label = gradient(self.deriving.naming.of_output(), self.deriving.naming.of_leaf(leaf))
        made = Symbol(label, shaped.shape, shaped.dtype, definition=shaped)
        found.setdefault(id(leaf), []).append(made)

    # -- help ---------------------------------------------------------------------------------

    def _uses(self, leaf: Value) -> int:
        return sum(parent is leaf for _, _, parent, _ in self.graph.arguments())

    def _single(self, node: Node) -> bool:
        """Whether a result is one sample, and used once only."""
        vector = max(node.out.shape, default=1) == node.out.size
        return vector and len(self.graph.users[node]) == 1

    def _column(self, e: Expression) -> Expression:
        return self.algebra.shaped(e, (math.prod(e.shape), 1))

    def _written_out(self, node: Node) -> Expression:
        """A result; g(z3) and not a3, where it is a function of z alone."""
        simple = node.op.record.elementwise and node.op.arity == 1
        if not simple or not any(origin(node[0]) is layer.z for layer in self.graph.layers):
            return self.deriving.values[node]
        args = self.deriving.arguments(node)
        return self.algebra.apply(node.op, args, node.static, node.out.shape, node.out.dtype)
