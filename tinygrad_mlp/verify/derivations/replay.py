"""A loss recorded once, and its backward pass replayed: as it is, with noise, or with a change."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from types import CodeType, FrameType
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.backward import ancestors, unbroadcast
from tinygrad_mlp.autograd.graph import Array, Node, Value
from tinygrad_mlp.autograd.mode import changed_mode
from tinygrad_mlp.autograd.op import Op
from tinygrad_mlp.autograd.tensor import Tensor
from tinygrad_mlp.errors import NotDifferentiableError, ShapeError

Share = Callable[[Array], Array]
"""What one argument of a node receives for the cotangent of the node's output."""


class Change:
    """One local departure from the right backward pass.

    Attributes:
        shares: replaced shares, by the node and the position of its argument.
        redirects: nodes whose cotangent goes straight to another vertex, through a function.
    """

    __slots__ = ("shares", "redirects")

    def __init__(
        self,
        shares: Mapping[tuple[Node, int], Share] | None = None,
        redirects: Mapping[Node, tuple[Node | Value, Share]] | None = None,
    ) -> None:
        self.shares = dict(shares or {})
        self.redirects = dict(redirects or {})


NO_CHANGE = Change()


class Recording:
    """The graph of ``loss(**parameters)`` at one point.

    Args:
        loss: a scalar function of arrays, with `tg` operations or NumPy functions.
        parameters: the point, by name.
        exact: whether cross entropies are fused with the sigmoid before them.

    Attributes:
        leaves: the parameters as tensors, by name.
        nodes: the recorded nodes, oldest first.
        arrays: what each node's forward function saw.
        outs: what it returned.
        names: the names of nodes and leaves, where they have one: their own, or that of the local
            variable of `loss` that held them.

    Raises:
        ShapeError: the loss is not one number.
        NotDifferentiableError: it does not depend on the parameters.
    """

    def __init__(
        self, loss: Callable[..., Any], parameters: Mapping[str, Array], *, exact: bool = False
    ) -> None:
        self.hook: Callable[..., Any] | None = None
        self.leaves = {
            name: Tensor(array, requires_grad=True, name=name)
            for name, array in parameters.items()
        }
        with changed_mode(recording=True, exact_losses=exact):
            out, local = _call(loss, self.leaves)
        if not isinstance(out, Value) or not out.requires_grad or out.node is None:
            raise NotDifferentiableError(
                f"check_derivation: loss({', '.join(parameters)}) must be computed from its "
                f"arguments by tg operations or NumPy functions; got {type(out).__name__} "
                f"without a history. Do not convert the arguments to plain arrays."
            )
        if out.data.size != 1:
            raise ShapeError(
                f"check_derivation: loss must return one number; got shape {out.data.shape}. "
                f"Reduce it, e.g. with .sum()."
            )
        self.root: Node = out.node
        self.nodes = ancestors([self.root])
        self.arrays: dict[Node, tuple[Any, ...]] = {n: n.arrays or () for n in self.nodes}
        self.outs: dict[Node, Any] = {n: n.out for n in self.nodes}
        self.names: dict[Node | Value, str] = {leaf: name for name, leaf in self.leaves.items()}
        for name, value in local.items():
            if isinstance(value, Value) and value.node is not None and value.node.name is None:
                self.names.setdefault(value.node, name)
        self.names.update((n, n.name) for n in self.nodes if n.name)

    # -- values ------------------------------------------------------------------------------

    def value(self, vertex: Node | Value) -> Array:
        """The array at a vertex."""
        return np.asarray(self.outs[vertex] if isinstance(vertex, Node) else vertex.data)

    def evaluate(self, nodes: list[Node], known: dict[Any, Any]) -> dict[Any, Any]:
        """The forward functions of `nodes` again, with the values of some vertices replaced."""
        values = dict(known)
        for node in nodes:
            values[node] = node.op.forward(*self._inputs(node, values), **node.static)
        return values

    def _inputs(self, node: Node, values: Mapping[Any, Any]) -> list[Any]:
        return [
            array if parent is None else values.get(parent, array)
            for parent, array in zip(node, self.arrays[node], strict=True)
        ]

    # -- the backward pass -------------------------------------------------------------------

    def share(self, node: Node, position: int, g: Any, **replaced: Any) -> Array:
        """What argument `position` of a node receives for the cotangent `g`.

        Args:
            replaced: `y` or `arrays`, to run the rule on other numbers than the recorded ones.
        """
        op = node.op
        arrays = replaced.get("arrays", self.arrays[node])
        y = replaced.get("y", self.outs[node])
        if op.variadic:
            rule = op.rules[0]
            share = rule and rule(g, y, *arrays, position=position, **node.static)
        else:
            rule = op.rules[position]
            share = rule and rule(g, y, *arrays, **node.static)
        return np.asarray(unbroadcast(share, np.asarray(self.arrays[node][position]), op, position))

    def replay(self, change: Change = NO_CHANGE) -> tuple[dict[str, Array], dict[Node, Any]]:
        """The gradients by parameter, and the cotangents by node, of the changed backward pass."""
        if self.hook is None:
            return self._replay(change)
        with changed_mode(hook=self.hook):
            return self._replay(change)

    def _replay(self, change: Change) -> tuple[dict[str, Array], dict[Node, Any]]:
        cotangents: dict[Any, Any] = {self.root: np.ones_like(self.value(self.root))}
        seen: dict[Node, Any] = {}

        def arrive(vertex: Node | Value, share: Any) -> None:
            if isinstance(vertex, Value) and vertex.node is not None:  # one of several outputs
                node = vertex.node
                slots = cotangents.setdefault(node, [np.zeros_like(out) for out in node.out])
                slots[vertex.index] = slots[vertex.index] + share
            else:
                known = cotangents.get(vertex)
                cotangents[vertex] = share if known is None else known + share

        for node in reversed(self.nodes):
            g = cotangents.pop(node, None)
            if g is None:
                continue
            seen[node] = g
            if node in change.redirects:
                target, share_of = change.redirects[node]
                arrive(target, share_of(g))
                continue
            for position, parent in enumerate(node):
                if parent is None:
                    continue
                changed = change.shares.get((node, position))
                arrive(parent, changed(g) if changed else self.share(node, position, g))
        zeros = {name: np.zeros_like(leaf.data) for name, leaf in self.leaves.items()}
        gradients = {
            name: np.asarray(cotangents.get(leaf, zeros[name]))
            for name, leaf in self.leaves.items()
        }
        return gradients, seen

    def perturbed(self, rng: np.random.Generator, eps: float) -> Recording:
        """The same graph evaluated with every number off by about one rounding.

        Comparing its gradients with the right ones shows how far two right computations of them
        may be apart: each product and sum is only known to a relative `eps`.
        """

        def shaken(array: Any) -> Any:
            if not isinstance(array, (np.ndarray, np.floating)) or array.dtype.kind != "f":
                return array
            noise = np.asarray(rng.standard_normal(array.shape), dtype=array.dtype)
            return array * (1 + eps * noise)

        def rounded(op: Op, args: tuple[Any, ...], static: dict[str, Any]) -> Any:
            return shaken(op.forward(*args, **static))

        other = object.__new__(Recording)
        # The operations that the gradient rules call round, too: in softmax(z) − y the difference
        # can be far smaller than what is subtracted.
        other.hook = rounded
        other.leaves, other.nodes, other.root = self.leaves, self.nodes, self.root
        other.names = self.names
        other.arrays, other.outs = {}, {}
        values: dict[Any, Any] = {leaf: shaken(leaf.data) for leaf in self.leaves.values()}
        for node in self.nodes:
            arrays = tuple(
                shaken(array) if parent is None else values.get(parent, array)
                for parent, array in zip(node, self.arrays[node], strict=True)
            )
            out = node.op.forward(*arrays, **node.static)
            if node.op.outputs == 1:
                out = values[node] = shaken(np.asarray(out))
            other.arrays[node], other.outs[node] = arrays, out
        return other


def _call(loss: Callable[..., Any], leaves: Mapping[str, Tensor]) -> tuple[Any, dict[str, Any]]:
    """``loss(**leaves)``, and its local variables as they were when it returned."""
    code: CodeType | None = getattr(loss, "__code__", None)
    local: dict[str, Any] = {}

    def watch(frame: FrameType, event: str, argument: Any) -> None:
        if event == "return" and frame.f_code is code:
            local.update(frame.f_locals)

    before = sys.getprofile()
    if code is None or before is not None:
        return loss(**leaves), local  # names are a convenience: never disturb a profiler
    sys.setprofile(watch)
    try:
        return loss(**leaves), local
    finally:
        sys.setprofile(before)
