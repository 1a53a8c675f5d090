"""A loss recorded once, and its backward pass run again: as it is, with noise, or with a change."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from typing import Any, NamedTuple

import numpy as np

from tinygrad_mlp.autograd.backward import propagate, unbroadcast
from tinygrad_mlp.autograd.call_site import ALL_PACKAGES, CallSite, user_site
from tinygrad_mlp.autograd.gradients import ancestors, gradients
from tinygrad_mlp.autograd.graph import Array, Node, Value, make_value
from tinygrad_mlp.autograd.in_place import Argument
from tinygrad_mlp.autograd.mode import MODE, changed_mode
from tinygrad_mlp.autograd.op import Op, Static
from tinygrad_mlp.autograd.tape import without_copies
from tinygrad_mlp.autograd.tensor import Tensor
from tinygrad_mlp.errors import NotDifferentiableError, OpDefinitionError, ShapeError, TinygradError
from tinygrad_mlp.graph_view.layer_view import find_layers, named_parts
from tinygrad_mlp.verify.derivations.arguments import AtPoint
from tinygrad_mlp.verify.derivations.local_variables import call_with_local_variables
from tinygrad_mlp.verify.rounding_noise import Decision, RoundingNoise, decides, exact_arrays

Share = Callable[[Array], Array]
"""Computes what a vertex receives from the cotangent of a node's output."""


class Change(NamedTuple):
    """One local departure from the right backward pass, at a node.

    The argument at `position` receives another share, and the others what they should. Or the
    vertex `target` receives it, and the arguments nothing.
    """

    node: Node
    share: Share
    position: int | None = None
    target: Node | Value | None = None


class DecisionRecorder:
    """A hook that notes the decisions of an evaluation, and where each operation was called."""

    def __init__(self) -> None:
        self.decisions: list[Decision] = []
        self.deciding: list[Node | None] = []
        self.sites: dict[Node, CallSite] = {}
        self._outer = MODE.get().hook

    def __call__(self, op: Op, args: tuple[object, ...], static: Static) -> Any:
        """Apply the operation as without this hook."""
        call = op.unhooked if self._outer is None else partial(self._outer, op)
        found = call(args, static)
        node = found.node if isinstance(found, Value) else None
        if node is not None:
            self.sites[node] = user_site(ALL_PACKAGES)
        if decides(op, static):
            arrays = exact_arrays(op, args) if node is None else node.arrays or ()
            self.decisions.append(Decision(op, arrays, found if node is None else node.out))
            self.deciding.append(node)
        return found


class Shifted:
    """A hook that adds to the result of the decision with a given number, by order of calls."""

    def __init__(self, number: int) -> None:
        self._left = number

    def __call__(self, op: Op, args: tuple[object, ...], static: Static) -> Any:
        """Apply the operation."""
        found = op.unhooked(args, static)
        if decides(op, static):
            self._left -= 1
            if self._left == -1:
                found.data = found.data + 0.25 * (1 + np.abs(found.data))
        return found


class RecordedLoss:
    """The graph of a loss at one point, with its nodes, oldest first.

    For `exact`, cross entropies are fused with the sigmoid before them. `names` has the names of
    nodes and leaves, where they have one: their own, that of the local variable of `loss` that
    held them, or z2, a2, z3, … for the parts of layers. `sites` has the places of their calls.
    """

    def __init__(self, loss: AtPoint, parameters: Mapping[str, Array], *,
                 exact: bool = False) -> None:
        self.loss, self.exact = loss, exact
        self.leaves = {
            name: Argument(array, requires_grad=True, name=name)
            for name, array in parameters.items()}
        recorder = DecisionRecorder()
        with changed_mode(recording=True, exact_losses=exact, hook=recorder,
                          differentiating="check_derivation"), (
                loss.arguments(self.leaves)) as (args, keywords):
            # (Names are for messages, which are about the graph that people see.)
            call = call_unwatched if exact else call_with_local_variables
            try:
                found, variables = call(loss.function, keywords, args)
                self.out = loss.finish(found, args)
            except ValueError as error:
                raise _with_its_line(error, loss.role) from error
        self.decisions, self.sites = recorder.decisions, recorder.sites
        self._deciding = recorder.deciding
        self.nodes = without_copies(ancestors([_root(self.out, loss)]))
        self.names = self._names(variables)
        self._diagonal: dict[tuple[Node, int], bool] = {}

    def _names(self, variables: Mapping[str, object]) -> dict[Any, str]:
        names: dict[Any, str] = {leaf: name for name, leaf in self.leaves.items()}
        for name, value in variables.items():
            if isinstance(value, Value) and value.node is not None and value.node.name is None:
                names.setdefault(value.node, name)
        names.update((n, n.name) for n in self.nodes if n.name)
        taken = set(names.values())
        for node, position, name in named_parts(find_layers(self.nodes)):
            vertex = node if position is None else node[position]
            if vertex is not None and vertex not in names and name not in taken:
                names[vertex] = name
                taken.add(name)
        return names

    def value(self, vertex: Node | Value) -> Array:
        """Return the array at a vertex."""
        return np.asarray(vertex.out if isinstance(vertex, Node) else vertex.data)

    def share(self, node: Node, position: int, g: object, arrays: object = None) -> Array:
        """Return what argument `position` of a node receives for the cotangent `g`.

        The rule uses `arrays` instead of the recorded arguments where they are given.
        """
        op, recorded = node.op, node.arrays or ()
        arrays = recorded if arrays is None else arrays
        share = op.vjp(position, g, node.out, arrays, node.static)
        return np.asarray(unbroadcast(share, np.asarray(recorded[position]), op, position))

    def is_diagonal(self, node: Node, position: int) -> bool:
        """Return whether a node's derivative with respect to an argument is a diagonal matrix."""
        if (node, position) not in self._diagonal:
            self._diagonal[node, position] = self._is_diagonal(node, position)
        return self._diagonal[node, position]

    def _is_diagonal(self, node: Node, position: int) -> bool:
        parent = node[position]
        if parent is None or node.op.outputs > 1 or node.op.rule(position) is None:
            return False
        y = self.value(node)
        if self.value(parent).shape != y.shape:
            return False
        # A diagonal matrix treats every element by itself: v ↦ v · diagonal.
        probe = np.asarray(np.random.default_rng(0).uniform(1, 2, y.shape), dtype=y.dtype)
        with np.errstate(all="ignore"):
            diagonal = self.share(node, position, np.ones_like(y))
            found = self.share(node, position, probe)
        return bool(np.allclose(found, probe * diagonal, rtol=1e-4, atol=0, equal_nan=True))

    @cached_property
    def shifts(self) -> frozenset[Node]:
        """The largest elements that are subtracted for safety: the loss is the same without.

        A person leaves these paths out. In a replay with a change their shares would not cancel.
        """
        found = []
        for number, node in enumerate(self._deciding):
            if node is not None and node.op.name in ("max", "min") and not self._depends_on(number):
                found.append(node)
        return frozenset(found)

    def _depends_on(self, number: int) -> bool:
        """Return whether the loss changes with the result of a decision."""
        values = [np.abs(np.asarray(node.out)) for node in self.nodes if node.op.outputs == 1]
        largest = max(float(a.max(initial=0, where=np.isfinite(a))) for a in values)
        eps = float(np.finfo(self.out.data.dtype).eps)
        with np.errstate(all="ignore"), changed_mode(
                recording=False, exact_losses=self.exact, hook=Shifted(number),
                differentiating="check_derivation"):
            change = float(np.abs(np.asarray(self.loss(self.leaves).data) - self.out.data))
        return not change <= 64 * eps * largest

    def replay(self, *changes: Change, starts: Sequence[tuple[Node | Value, object]] = (),
               ) -> tuple[dict[str, Array], dict[Node, object]]:
        """Return the gradients by parameter, and the cotangents by node, of the backward pass.

        With changes, or if it begins at `starts`, it leaves out the paths through `shifts`.
        """
        at: dict[Node, list[Change]] = {}
        for change in changes:
            at.setdefault(change.node, []).append(change)
        found = {id(leaf): np.zeros_like(leaf.data) for leaf in self.leaves.values()}
        cotangents: dict[Node, Any] = {}
        left_out = self.shifts if changes or starts else frozenset()
        ahead = [*(starts or [(self.out, np.ones_like(self.out.data))])]

        def collect(leaf: Value, g: object, owned: bool) -> None:
            if id(leaf) in found:
                found[id(leaf)] = found[id(leaf)] + g

        def vjp_of(node: Node, g: Any) -> Any:
            cotangents[node] = g
            if node in left_out:
                return _nothing
            for change in at.get(node, ()):
                # Shares add up, so what goes to a target may be carried on by a walk of its own.
                if change.target is not None and np.any(g):
                    ahead.append((change.target, change.share(g)))
            return _changed_vjp(node.op, at[node]) if node in at else node.op.vjp

        with changed_mode(walk=lambda _: vjp_of):
            for vertex, g in ahead:  # which grows by the target
                start = vertex if isinstance(vertex, Value) else (
                    make_value(Tensor, vertex.out, vertex, True))
                propagate([(start, g)], collect, retain=False)
        return {name: found[id(leaf)] for name, leaf in self.leaves.items()}, cotangents

    def gradients_with_noise(self, rng: np.random.Generator, eps: float) -> dict[str, Array]:
        """Compute the gradients again with every number off by about one rounding error.

        Their distance from the right ones shows how far two right computations may be apart: each
        product and sum is only known to a relative `eps`. A largest element that is subtracted is
        a constant, as in a person's derivation: its path may cancel the errors of others.
        """
        leaves = {
            name: Argument(leaf.data, requires_grad=True) for name, leaf in self.leaves.items()}
        shifts = [i for i, node in enumerate(self._deciding) if node in self.shifts]
        hook = RoundingNoise(eps, rng, self.decisions, shifts)
        with changed_mode(recording=True, exact_losses=self.exact, hook=hook, walk=None,
                          differentiating="check_derivation"):
            out, one = self.loss(leaves), np.ones_like(self.out.data)
            try:
                # The rules round, too: in softmax(z) − y the difference can be far smaller than
                # what is subtracted. (A tensor to begin with: operators on arrays are not hooked.)
                found = gradients([(out, Tensor(one))], list(leaves.values()), create_graph=True)
            except OpDefinitionError:  # a rule that works on arrays only
                found = gradients([(out, one)], list(leaves.values()))
        return {
            name: np.zeros_like(leaf.data) if g is None else g.data if isinstance(g, Value) else g
            for (name, leaf), g in zip(leaves.items(), found, strict=True)}


def call_unwatched(function: Callable[..., object], keywords: Mapping[str, object],
                   args: Sequence[object]) -> tuple[object, dict[str, object]]:
    """Return what a function returns, and no local variables."""
    return function(*args, **keywords), {}


def _with_its_line(error: ValueError, role: str) -> Exception:
    """Return the error of a loss that loses a gradient, with the line that does.

    Where NumPy asks for the number of a tensor, it replaces the reason by words of its own.
    """
    reason = error if isinstance(error, TinygradError) else error.__cause__
    if not isinstance(reason, TinygradError):
        return error
    frames = [f for f in traceback.extract_tb(error.__traceback__)
              if not f.filename.startswith(ALL_PACKAGES)]
    if not frames or "  at " in str(reason):
        return reason
    return type(reason)(f"{reason}\n  in line {frames[-1].lineno} of the {role}: {frames[-1].line}")


def _root(out: object, loss: AtPoint) -> Node:
    """Return the node that computed the loss, or raise an error that says why there is none."""
    if not isinstance(out, Value) or not out.requires_grad or out.node is None:
        raise NotDifferentiableError(
            f"{loss.who}: {loss.role}({', '.join(loss.order)}) must be computed from its arguments "
            f"by tg operations or NumPy functions. Got {type(out).__name__} without a history. "
            f"Do not convert the arguments to plain arrays.")
    if out.data.size != 1:
        raise ShapeError(
            f"{loss.who}: {loss.role} must return one number. Got shape {out.data.shape}. Reduce "
            f"it, e.g. with .sum().")
    return out.node


def _changed_vjp(op: Op, changes: Sequence[Change]) -> Callable[..., object]:
    """Return what takes the place of `op.vjp` at a node at which the backward pass departs."""

    def vjp(position: int, g: Any, y: Any, arrays: Sequence[object],
            static: dict[str, object]) -> Any:
        for change in changes:
            if change.target is not None:
                return np.zeros_like(arrays[position])
            if position == change.position:
                return change.share(g)
        return op.vjp(position, g, y, arrays, static)

    return vjp


def _nothing(position: int, g: Array, y: Array, arrays: Sequence[object],
             static: dict[str, object]) -> Array:
    """Return a share of zero."""
    return np.zeros_like(arrays[position])
