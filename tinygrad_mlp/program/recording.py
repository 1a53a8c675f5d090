"""Recording: a trace of a whole step, with everything it reads and changes outside of itself.

Besides its operations, a step has parameters, which it reads and which its optimizer changes,
states such as a velocity, numbers such as the learning rate, and gradients that stay in `.grad`. A
`Recording` finds them as they are used: a tensor that existed before becomes an input when an
operation first uses it, and what the step has assigned to its `.data` and `.grad` at the end is an
update. So a step is written as usual and needs no change to be recorded.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from tinygrad_mlp.autograd.call_site import user_site
from tinygrad_mlp.autograd.graph import Node, Value, make_value
from tinygrad_mlp.autograd.mode import changed_mode
from tinygrad_mlp.autograd.op import Op, Static
from tinygrad_mlp.autograd.pytree import map_leaves
from tinygrad_mlp.autograd.stores.buffer import RecordedBuffer
from tinygrad_mlp.autograd.tensor import Tensor
from tinygrad_mlp.errors import TraceError, refuse_assigned
from tinygrad_mlp.graph_view.names import SAME_IN_EVERY_LAYER, layer_number
from tinygrad_mlp.program.instructions import Number, Variable, is_generator
from tinygrad_mlp.program.layer_names import LayerNames, give_name
from tinygrad_mlp.program.trace import Trace, Tracer, as_operand


class InputSource(NamedTuple):
    """The place that an input of a program is read from.

    An input is "data" (an argument), a "parameter" (a tensor that gradients flow to) or a "state"
    (anything else that is read at every run).
    """

    kind: str
    get: Callable[[], Any] | None = None  # reads the value at a run; None for arguments
    of: Any = None  # identifies the place: the tensor, or the function that reads it


DATA = InputSource("data")


@dataclass(frozen=True, slots=True)
class Attribute:
    """A place that is read at every run: an attribute of a tensor."""

    owner: Any
    attribute: str

    def __call__(self) -> Any:
        """Return the present value of the attribute."""
        return getattr(self.owner, self.attribute)


class Update(NamedTuple):
    """A change that a program makes outside of itself at the end of a run."""

    put: Callable[[Any], None]  # to be called with the new value
    value: Any  # the new value: a variable, or a constant
    target: Variable | None = None  # the input whose array is replaced and may be overwritten


class _Captured(NamedTuple):
    """A tensor from outside, with what it held before and while the step is recorded."""

    leaf: Value
    data: Any
    grad: Any
    tracer: Tracer
    variable: Variable
    grad_variable: Variable | None


class Recording(Trace):
    """A trace of a step that reads and changes tensors and other states.

    It has the `inputs` in order of their first use, and the `updates` made at the end. The program
    holds as long as each function in `assumptions` returns the value beside it; variables in
    `required` must be finite before anything is changed.
    """

    def __init__(self) -> None:
        super().__init__()
        self.inputs: list[Variable] = []
        self.updates: list[Update] = []
        self.assumptions: list[tuple[Callable[[], Any], Any]] = []
        self.required: list[Variable] = []
        self._captured: dict[int, _Captured] = {}
        self._generators: dict[int, tuple[Any, Any]] = {}
        self._layer_names = LayerNames()

    def recording(self) -> changed_mode:
        """Return the context in which the step is recorded."""
        return changed_mode(
            hook=self, recorder=self, walk=self._walk, differentiating="compile")

    # -- inputs ------------------------------------------------------------------------------

    def input(self, data: Any, label: Any = DATA, name: str | None = None) -> Tracer:
        """Return a tracer for a new input of any kind."""
        variable = Variable(data if type(data) in Number else np.asarray(data), label=label)
        variable.name = name
        self.inputs.append(variable)
        return Tracer.of(variable)

    def array_of(self, value: Value) -> Any:
        """Return the tracer of a tensor's array; a tensor from outside becomes an input."""
        data: Any = value.data
        if type(data) is RecordedBuffer:
            data = data.data  # something was stored into the array itself
        if type(data) is Tracer:
            return data
        if value.requires_grad and value.node is not None:
            raise TraceError(
                f"a tensor that was computed outside of the function being recorded (by "
                f"'{value.node.op.name}') is used in it: gradients cannot flow back to what it "
                f"was computed from. Compute it inside, or pass it in.\n  at {user_site()}")
        return self._capture(value).tracer

    def returned(self, out: object) -> Any:
        """Return the results; a tensor from outside among them is read anew at every run."""
        def read(leaf: object) -> Any:
            if not isinstance(leaf, Value) or type(leaf) is Tracer:
                return leaf
            return make_value(Tensor, self.array_of(leaf), None, False)

        return map_leaves(read, out)

    def _capture(self, leaf: Value, cleared: bool = False) -> _Captured:
        """Make a tensor from outside an input, and let it hold tracers until the end."""
        if id(leaf) in self._captured:
            return self._captured[id(leaf)]
        data, grad = leaf.data, leaf.grad
        refuse_assigned(data, "data")
        if grad is not None:
            refuse_assigned(grad, "grad")
        kind = "parameter" if leaf.requires_grad else "state"
        own = leaf.name if leaf.name not in SAME_IN_EVERY_LAYER else None
        tracer = self.input(data, InputSource(kind, Attribute(leaf, "data"), leaf), own)
        grad_tracer = None
        if grad is not None and not cleared:
            source = InputSource("state", Attribute(leaf, "grad"), leaf)
            grad_tracer = self.input(grad, source, own and f"grad_{own}")
        elif leaf.requires_grad and not cleared:
            self.assumptions.append((Attribute(leaf, "grad"), None))
        captured = self._captured[id(leaf)] = _Captured(
            leaf, data, grad, tracer, tracer.variable, as_operand(grad_tracer))
        leaf.data, leaf.grad = tracer, grad_tracer  # type: ignore[assignment]
        return captured

    # -- what the step says of itself (see `autograd.mode.Recorder`) -------------------------------

    def read(self, get: Callable[[], object], name: str) -> Any:
        """Return a tracer for a number or an array that is read at every run."""
        return self.input(get(), InputSource("state", get, _identity(get)), name)

    def write(self, put: Callable[[object], None], value: object, replaces: object) -> None:
        """Record that a value is handed over at the end of every run."""
        target = replaces.variable if type(replaces) is Tracer else None
        self.updates.append(Update(put, as_operand(value), target))

    def assume(self, get: Callable[[], object]) -> Any:
        """Return a value that the program assumes to stay as it is."""
        value = get()
        self.assumptions.append((get, copy.copy(value)))
        return value

    def clear_grad(self, leaf: Value) -> None:
        """Record that a gradient is dropped, whatever it was."""
        own = self._capture(leaf, cleared=True).variable.name
        give_name(leaf.grad, own and f"grad_{own}")
        leaf.grad = None

    def is_outside(self, tensor: Value) -> bool:
        """Return whether a tensor was there before the step."""
        return id(tensor) in self._captured or type(tensor.data) is np.ndarray

    def require_finite(self, value: object) -> None:
        """Record that a run changes nothing if a value is not finite."""
        array = self.array_of(value) if isinstance(value, Value) else value
        if type(array) is Tracer:
            self.required.append(array.variable)

    # -- the hook ----------------------------------------------------------------------------

    def __call__(self, op: Op, args: tuple[object, ...], static: Static) -> Any:
        """Record a call of an operation."""
        for value in static.values():
            if is_generator(value):
                self._generators.setdefault(id(value), (value, value.bit_generator.state))
        if op.name in ("getitem", "scatter_add", "store") and any(
                type(a) is Tracer and a.dtype == bool for a in args[1:]):
            raise TraceError(
                f"x[mask] with a traced mask has a shape that depends on values. Use "
                f"tg.where(mask, x, 0), which keeps the shape.\n  at {user_site()}")
        out = super().__call__(op, args, static)
        result = out[0] if op.outputs > 1 else out
        if isinstance(result, Value) and type(result) is not Tracer:
            self._layer_names.add(op, args, static, result)
            if "target" in op.arrays:
                give_name(result.data, "loss")
        return out

    def _walk(self, starts: object) -> Callable[[Node, Any], Any]:
        """Name layers, and cotangents as they arrive at the nodes of a backward pass."""
        self._layer_names.give()

        def watched(node: Node, g: object) -> Any:
            of = node.out.variable.name if type(node.out) is Tracer else None
            if of and g is not node.out:
                number = layer_number(of)
                give_name(g, f"g_{of}" if number is None else f"delta{number}")
            return node.op.vjp

        return watched

    # -- the end -----------------------------------------------------------------------------

    def finish(self) -> None:
        """Make what was assigned to tensors updates, and give them back the arrays they had."""
        self._layer_names.give()
        for leaf, _, _, _, variable, grad_variable in self._captured.values():
            data, grad, own = as_operand(leaf.data), as_operand(leaf.grad), variable.name
            if data is not variable:
                give_name(leaf.data, own and f"{own}_new")
                put = partial(setattr, leaf, "data")
                self.updates.append(Update(put, data, variable))
            if grad is not grad_variable:
                give_name(leaf.grad, own and f"grad_{own}")
                self.updates.append(Update(partial(setattr, leaf, "grad"), grad))
        self.restore()

    def restore(self) -> None:
        """Give the tensors back the arrays they had."""
        for leaf, data, grad, *_ in self._captured.values():
            leaf.data, leaf.grad = data, grad

    def undo(self) -> None:
        """Undo all effects of the call, on random generators, too."""
        self.restore()
        for generator, state in self._generators.values():
            generator.bit_generator.state = state

    def inputs_by_array(self) -> dict[int, Variable]:
        """Return the inputs that are tensors by the identity of their arrays."""
        captured = self._captured.values()
        return {id(c.data): c.variable for c in captured if isinstance(c.data, np.ndarray)}

    def tensors(self) -> list[Value]:
        """Return the tensors from outside that the program reads at every run."""
        return [captured.leaf for captured in self._captured.values()]

    def drop_examples(self) -> None:
        """Let go of the arrays of the call that was recorded."""
        results = (r for line in self.instructions for r in line.results)
        for variable in (*self.inputs, *results):
            variable.data = None


def _identity(get: Callable[[], object]) -> Any:
    """Return what two functions that read the same place have in common."""
    return (get.func, get.args) if isinstance(get, partial) else get
