"""The walk through a recorded graph, forward and back, that makes the steps."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.graph import Array, Node, Value
from tinygrad_mlp.drawing.summaries import format_number, record_cotangents
from tinygrad_mlp.errors import InvalidArgumentError, TinygradError
from tinygrad_mlp.graph_view.layer_view import Recorded, arrays_of
from tinygrad_mlp.graph_view.names import gradient
from tinygrad_mlp.graph_view.naming import Naming, is_alias, key_of
from tinygrad_mlp.program.graph_program import GRADIENT, VALUE, Place, graph_program
from tinygrad_mlp.stepping.chain_rule import Entry, entry_before, shared, strongest, terms
from tinygrad_mlp.stepping.departure import departure
from tinygrad_mlp.stepping.formulas import formulas
from tinygrad_mlp.stepping.step import BACKWARD, FORWARD, Box, Content, Departure, Step, Use
from tinygrad_mlp.verify import DerivationReport

SMALL = 12
"""Elements of an array up to which the products are shown for each of them, not only for one."""

MOST_STEPS = 60
"""Steps up to which this is done."""

Key = Any
"""A node, or an output of one that has several, or the identity of a leaf or of an array."""


class StepBuilder:
    """The steps of a graph. The arguments are those of `steps`."""

    def __init__(self, graph: Recorded, names: Mapping[str, object],
                 follow: tuple[Value | str, Entry] | None,
                 report: DerivationReport | None) -> None:
        self.graph = graph
        self.naming = Naming(graph, names)
        self.cotangents = record_cotangents(graph.output)
        self.leaves = graph.leaves()
        self.shown = [key for node in graph.nodes if not self._is_hidden(node)
                      for key in _outputs(node)]
        self.uses = self._find_uses()
        self.gradient_names = self._name_gradients()
        self.formulas = formulas(graph.output, names)
        self.program, self.lines, self.missing = _written(graph, self.naming)
        self._shares: dict[tuple[Node, int], Array] = {}
        self.entries: dict[Key, Entry] = {}
        self.order = list(self._in_backward_order())
        self.departure: tuple[Key, Departure, Entry | None] | None = None
        if report is not None:
            self.departure = departure(report, {key: self._name_of(key) for key in self.order},
                                       {key: self._gradient(key) for key in self.order})
        if follow is None and self.departure is not None and self.departure[2] is not None:
            follow = self.leaves[self.departure[0]], self.departure[2]
        if follow is not None:
            self._follow(*follow)
        for key in self.order:
            self._entry(key)

    def content(self) -> Content:
        """Return the steps with the program and the drawing."""
        sources = {key_of(parent, array): (parent, array) for key in self.shown
                   for parent, array in self._arguments(_node(key)) if _has_box(parent, array)}
        places = {key: number for number, key in enumerate([*sources, *self.shown])}
        boxes = [Box(self._name(*source), "data" if source[0] is None else "parameter", ())
                 for source in sources.values()]
        for key in self.shown:
            before = [key_of(*argument) for argument in self._arguments(_node(key))]
            boxes.append(Box(self._name_of(key), "result",
                             tuple(dict.fromkeys(places[k] for k in before if k in places))))
        steps = [self._step(FORWARD, key, places[key]) for key in self.shown]
        steps += [self._step(BACKWARD, key, places[key]) for key in self.order]
        return Content(tuple(steps), self.program, self.missing, tuple(boxes))

    # -- the graph as it is shown ----------------------------------------------------------------

    def _is_hidden(self, node: Node) -> bool:
        """Return whether a node is part of the one after it, or changes nothing."""
        return node in self.graph.inlined or is_alias(node)

    def _resolved(self, parent: Node | Value | None) -> Any:
        """Return what an argument is, without nodes that change nothing."""
        while isinstance(parent, Node) and is_alias(parent):
            parent = parent[0]
        return parent

    def _arguments(self, node: Node) -> Iterator[tuple[Any, Any]]:
        """Yield origin and array of the arguments, those of a hidden product in its place."""
        for parent, array in zip(node, arrays_of(node), strict=True):
            parent = self._resolved(parent)
            if isinstance(parent, Node) and parent in self.graph.inlined:
                yield from self._arguments(parent)
            else:
                yield parent, array

    def _find_uses(self) -> dict[Key, list[tuple[Node, int]]]:
        """Return where gradients come from, the newest use first."""
        uses: dict[Key, list[tuple[Node, int]]] = {}
        for node in reversed(self.graph.nodes):
            if is_alias(node):
                continue
            for position, parent in enumerate(node):
                if parent is not None:
                    uses.setdefault(key_of(self._resolved(parent)), []).append((node, position))
        return uses

    def _in_backward_order(self) -> Iterator[Key]:
        """Yield values and leaves in the order in which their gradients are complete."""
        last = {key: self.uses[key][-1][0] for key in self.leaves if key in self.uses}
        for node in reversed(self.graph.nodes):
            if not self._is_hidden(node):
                yield from _outputs(node)
            yield from (key for key, user in last.items() if user is node)

    # -- names -----------------------------------------------------------------------------------

    def _name(self, parent: Node | Value | None, array: Array) -> str:
        if parent is None and np.ndim(array) == 0:
            return "None" if array is None else format_number(array)
        return self.naming.of_argument(parent, array).text

    def _name_of(self, key: Key) -> str:
        if key in self.leaves:
            return self.naming.of_leaf(self.leaves[key]).text
        return self.naming.of_node(*(key if isinstance(key, tuple) else (key, 0))).text

    def _name_gradients(self) -> dict[Key, str]:
        """Name the gradients as `explain` does, in the same order."""
        found = {key: self.naming.names.adjoint(
                     self.naming.of_node(*(key if isinstance(key, tuple) else (key, 0)))).text
                 for node in reversed(self.graph.nodes) if not self._is_hidden(node)
                 for key in _outputs(node)}
        for key, leaf in self.leaves.items():
            found[key] = gradient(self.naming.of_output(), self.naming.of_leaf(leaf)).text
        return found

    def _incoming(self, node: Node) -> str:
        """Return the name of the gradient that comes in at a node."""
        while node in self.graph.inlined:
            node = self.graph.users[node][0]
        return ", ".join(self.gradient_names[key] for key in _outputs(node))

    def _call(self, node: Node) -> str:
        """Return the call of an operation: ``tanh(z2)``, ``sum(v1, axis=0)``."""
        given = []
        for parent, array in zip(node, arrays_of(node), strict=True):
            parent = self._resolved(parent)
            hidden = isinstance(parent, Node) and parent in self.graph.inlined
            if array is not None:
                given.append(self._call(parent) if hidden else self._name(parent, array))
        for name, value in node.static.items():
            default = node.op.defaults.get(name)
            if value is not None and (type(value) is not type(default) or value != default):
                shown = repr(value)
                given.append(f"{name}={shown if len(shown) < 30 else '…'}")
        return f"{node.op.name}({', '.join(given)})"

    # -- numbers ---------------------------------------------------------------------------------

    def _cotangent(self, key: Key) -> Any:
        """Return the gradient of a value; a tuple for a node with several results."""
        if isinstance(key, tuple):
            return self._cotangent(key[0])[key[1]]
        node, found = key, self.cotangents[key]
        if isinstance(found, tuple | list):
            return tuple(np.zeros_like(out) if part is None else part
                         for part, out in zip(found, node.out, strict=True))
        return found

    def _gradient(self, key: Key) -> Array:
        return np.asarray(self._cotangent(key))

    def _share(self, node: Node, position: int) -> Array:
        if (node, position) not in self._shares:
            self._shares[node, position] = np.asarray(
                shared(node, position, self._cotangent(node)))
        return self._shares[node, position]

    def _uses_of(self, key: Key, entry: Entry) -> tuple[Use, ...]:
        return tuple(
            Use(self._incoming(node), self._call(node), float(self._share(node, position)[entry]),
                terms(node, position, self._cotangent(node), entry))
            for node, position in self.uses.get(key, ()))

    def _entry(self, key: Key) -> Entry:
        """Return the entry to follow: the one that the entry after it reaches most."""
        if key in self.entries:
            return self.entries[key]
        found = None
        for node, position in self.uses.get(key, ()):
            if node.op.outputs == 1:
                found = entry_before(node, position, self._cotangent(node), self._entry(node))
            if found is not None:
                break
        self.entries[key] = strongest(self._cotangent(key)) if found is None else found
        return self.entries[key]

    def _follow(self, parameter: Value | str, entry: Entry) -> None:
        """Follow an entry of a parameter to the loss, where it matters most at each step."""
        key: Key = self._leaf(parameter)
        try:
            np.empty(self.leaves[key].data.shape, bool)[entry] = True
        except (IndexError, TypeError):
            entry = ()
        if len(entry) != self.leaves[key].data.ndim:
            raise InvalidArgumentError(
                f"steps(): follow needs an entry of {self._name_of(key)}, whose shape is "
                f"{self.leaves[key].data.shape}, as a tuple of {self.leaves[key].data.ndim} "
                f"integers.")
        place = tuple(int(i) for i in entry)
        self.entries[key] = place
        while key in self.uses:
            node, position = max(
                self.uses[key], key=lambda use: abs(float(self._share(*use)[place])))
            found = terms(node, position, self._cotangent(node), place)
            if not found:
                break
            place = found[0].output
            key = node
            if node.op.outputs > 1:
                key, place = (node, place[0]), place[1:]
            self.entries[key] = place

    def _leaf(self, parameter: Value | str) -> int:
        for key, leaf in self.leaves.items():
            if leaf is parameter or parameter in (self._name_of(key), leaf.name):
                return key
        known = ", ".join(self._name_of(key) for key in self.leaves)
        raise InvalidArgumentError(
            f"steps(): follow begins with a parameter of the loss, or its name: {known}. Got "
            f"{parameter if isinstance(parameter, str) else type(parameter).__name__}.")

    # -- steps -----------------------------------------------------------------------------------

    def _step(self, kind: str, key: Key, box: int) -> Step:
        of, entry, forward = self._name_of(key), self.entries[key], kind == FORWARD
        name = of if forward else self.gradient_names[key]
        value = self._value(key) if forward else self._gradient(key)
        node = _node(key)
        places = [(node, GRADIENT)]
        if forward:  # with a product that is written in one equation with the bias
            places = [(n, VALUE) for n in (*node, node) if n is node or n in self.graph.inlined]
        lines = tuple(line for place in places for line in self.lines.get(place, ()))
        uses = () if forward else self._uses_of(key, entry)
        entries = {}
        if not forward and 1 < value.size <= SMALL and len(self.shown) <= MOST_STEPS:
            entries = {index: self._uses_of(key, index) for index in np.ndindex(value.shape)}
        return Step(
            kind, name, of, self._call(node) if isinstance(node, Node) else "", value,
            self.formulas.get(name), entry, self._numbers(node, entry) if forward else "",
            uses, entries, tuple(self.program[line].strip() for line in lines), lines, box,
            self._departure_at(key) if not forward else None)

    def _departure_at(self, key: Key) -> Departure | None:
        return self.departure[1] if self.departure and self.departure[0] == key else None

    def _value(self, key: Key) -> Array:
        if key in self.leaves:
            return self.leaves[key].data
        return np.asarray(key[0].out[key[1]] if isinstance(key, tuple) else key.out)

    def _numbers(self, node: Node, entry: Entry) -> str:
        """Return the computation of one entry, where the operation works element by element."""
        if not node.op.elementwise or node.op.outputs > 1:
            return ""
        shape = node.out.shape
        given = ["None" if a is None else format_number(np.broadcast_to(a, shape)[entry])
                 for a in arrays_of(node)]
        return f"{node.op.name}({', '.join(given)}) = {format_number(node.out[entry])}"


def _outputs(node: Node) -> list[Key]:
    """Return the keys of the results of a node."""
    return [node] if node.op.outputs == 1 else [(node, i) for i in range(node.op.outputs)]


def _node(key: Key) -> Any:
    """Return the node of a value; the key itself of a leaf."""
    return key[0] if isinstance(key, tuple) else key


def _has_box(parent: Node | Value | None, array: Array | None) -> bool:
    """Return whether an argument is a source with a box: a leaf, or an array without gradient."""
    if parent is None:
        return array is not None and np.ndim(array) > 0
    return isinstance(parent, Value) and parent.node is None


def _written(graph: Recorded, naming: Naming) -> tuple[
        tuple[str, ...], Mapping[Place, tuple[int, ...]], str]:
    """Return a graph as NumPy code, the lines of each place, and the reason where there is none."""
    try:
        written = graph_program(graph, naming)
    except TinygradError as error:
        return (), {}, str(error)
    return tuple(re.sub(r"(?<=\S) +#", "  #", a) for a in written.source), written.lines, ""
