"""`compile`: a function recorded once and run as a program."""

from __future__ import annotations

import functools
import warnings
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.graph import Value
from tinygrad_mlp.autograd.mode import MODE
from tinygrad_mlp.autograd.pytree import leaves, rebuild
from tinygrad_mlp.autograd.tensor import Tensor
from tinygrad_mlp.errors import TraceError
from tinygrad_mlp.program.codegen.source import numpy_source
from tinygrad_mlp.program.executable import OUTDATED, Executable, committed, forget_examples
from tinygrad_mlp.program.fast_path import Usual
from tinygrad_mlp.program.program import Program
from tinygrad_mlp.program.recording import DATA, Recording
from tinygrad_mlp.program.retrace_check import TraceSignature

MOST_PROGRAMS = 16
"""Programs kept for one function; the least recently used ones are dropped."""


class CompiledFunction:
    """A function that is recorded at its first call and run as a program from then on.

    For arguments of other shapes, dtypes or static values another program is recorded.

    Attributes:
        programs: the programs by the types of the arguments, the latest used last.

    >>> import numpy as np, tinygrad_mlp as tg
    >>> double = tg.compile(lambda x: 2 * x)
    >>> double(np.array([1.0, 2.0])), len(double.programs)
    (array([2., 4.]), 1)
    >>> double(np.array([3.0])), len(double.programs)  # another shape, another program
    (array([6.]), 2)
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.name = _identifier(getattr(function, "__name__", "step"))
        self.programs: OrderedDict[Any, list[Executable]] = OrderedDict()
        self._last: Executable | None = None
        self._usual: Usual | None = None

    @property
    def runner(self) -> Executable:
        """The program that was used last.

        Raises:
            TraceError: there is none yet.
        """
        if self._last is None:
            raise TraceError(
                f"{self.name} has no program yet: a program is recorded at the first call, whose "
                f"arguments say which shapes it is for. Call it once."
            )
        return self._last

    @property
    def program(self) -> Program:
        """The program that runs: the one used last."""
        return self.runner.program

    @property
    def source(self) -> str:
        """Its NumPy source code."""
        return self.runner.source.text

    @property
    def readable(self) -> str:
        """The source code before memory is shared: what to read first."""
        return numpy_source(self.runner.simplified)

    def __repr__(self) -> str:
        return f"<compiled {self.name}: {len(self.programs)} program(s)>"

    def _repr_html_(self) -> str:
        from tinygrad_mlp.support.html import listing

        if self._last is None:
            return listing(f"{self!r}: recorded at the first call")
        return listing(f"{self!r}; the one used last:") + self.program._repr_html_()

    def release(self) -> None:
        """Settings and arrays may have changed hands: keep only programs that still hold.

        What runs next does not depend on programs of settings that have been left; and no array
        that has been handed out until now is written to.
        """
        for runners in self.programs.values():
            runners[:] = [runner for runner in runners if runner.assumed()]
            for runner in runners:
                runner.release()
        if self._last is not None and not self._last.assumed():
            self._last = self._usual = None

    def prepare(self, *args: Any, confirmed: bool) -> None:
        """Have the program for such arguments without calling the function; nothing is changed.

        Args:
            args: arrays.
            confirmed: whether a second call has shown, elsewhere, that it does the same.
        """
        key, _ = _signature(args, {})
        recording, out = self._recorded(args, {}, finite=False)
        runner = self._runner_of(recording, out, args, {})
        recording.undo()
        forget_examples(recording)
        if confirmed:
            runner.transcript = None
        self._keep(key, runner)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        mode = MODE.get()
        if mode.hook is not None or mode.depth:
            return self.function(*args, **kwargs)  # being watched, recorded or differentiated
        if self._usual is not None and not kwargs:
            result = self._usual(args)
            if result is not OUTDATED:
                return result
        key, data = _signature(args, kwargs)
        for runner in self.programs.get(key, ()):
            if runner.transcript is not None:
                if runner.holds():
                    return self._confirm(runner, args, kwargs)
                continue
            result = runner.run(data)
            if result is not OUTDATED:
                self._use(runner)
                return result
        return self._record(key, args, kwargs)

    def _record(self, key: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The first call: record a program."""
        recording, out = self._recorded(args, kwargs)
        runner = self._runner_of(recording, out, args, kwargs)
        result = committed(recording, out)
        self._keep(key, runner)
        return result

    def _runner_of(
        self, recording: Recording, out: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Executable:
        runner = Executable(recording, out, self.name)
        if not kwargs and all(type(a) is np.ndarray for a in args):
            runner.made_usual()
        return runner

    def _confirm(self, runner: Executable, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The second call: make sure that the function does again what it did at the first."""
        assert runner.transcript is not None
        recording, out = self._recorded(args, kwargs)
        difference = runner.transcript.difference(TraceSignature(recording))
        if difference is not None:
            recording.undo()
            raise TraceError(
                f"{self.name} does not do the same at every call: {difference} differs from that "
                f"of the first call, which a program would repeat for ever. Let it be computed by "
                f"operations (random numbers by layers such as tg.nn.Dropout), or pass it in as an "
                f"argument."
            )
        runner.transcript = None
        self._use(runner)
        return committed(recording, out)

    def _recorded(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], finite: bool = True
    ) -> tuple[Recording, Any]:
        """A recording of a call, with nothing changed by it until now, and what it returned."""
        recording = Recording()
        parameters = _argument_names(self.function, args)
        stand_ins = []
        for number, a in enumerate(leaves([args, kwargs])):
            stand_ins.append(_stand_in(recording, a, parameters[number: number + 1]))
        new_args, new_kwargs = rebuild([args, kwargs], stand_ins)
        try:
            with recording.recording():
                out = self.function(*new_args, **new_kwargs)
                recording.finish()
        except BaseException:
            recording.undo()
            raise
        if finite and not all(np.isfinite(v.data).all() for v in recording.required):
            recording.undo()
            raise FloatingPointError("a number that must be finite is not")
        return recording, out

    def _use(self, runner: Executable) -> None:
        """Try this program first at the next call."""
        self._last = runner
        self._usual = runner.usual if runner.transcript is None else None

    def _keep(self, key: Any, runner: Executable) -> None:
        kept = self.programs.setdefault(key, [])
        kept.append(runner)
        del kept[:-4]
        self.programs.move_to_end(key)
        self._use(runner)
        if len(self.programs) > MOST_PROGRAMS:
            self.programs.popitem(last=False)
            warnings.warn(
                f"{self.name}: more than {MOST_PROGRAMS} programs have been recorded, because "
                f"{_what_changes(list(self.programs), self.function)} keeps changing. Pad or "
                f"batch the data to a few shapes, or pass numbers that change as floats.",
                RuntimeWarning,
                stacklevel=4,
            )


def compile(function: Callable[..., Any]) -> CompiledFunction:
    """A function that does the same without building the graph again at every call.

    On the first call with arguments of given shapes and dtypes, everything that passes the
    operations is recorded: forward and backward pass, the optimizer's update, running
    statistics. The second call records once more, to make sure that it comes to the same. From
    then on, that program runs, as plain NumPy code, on the arguments, parameters and states of
    the moment. Random masks are drawn anew at every run.

    What decides what is recorded must not depend on values: neither ``if loss > 1`` nor a shape
    taken from numbers. Arrays and floats are data; other arguments are static, and a program is
    recorded for each of their values. Parameters are updated in place: copy what you want to keep.

    Args:
        function: of arrays, tensors, numbers, or nestings of them.

    Returns:
        the compiled function; `.program` prints as a listing, `.source` is NumPy code.

    Raises:
        TraceError: when called, if something cannot be recorded (it names the line), or if the
            second call does something else than the first.

    >>> import tinygrad_mlp as tg
    >>> w = tg.Tensor([1.0, 2.0], requires_grad=True, name="w")
    >>> optimizer = tg.optim.SGD([w], lr=0.25)
    >>> @tg.compile
    ... def step(x):
    ...     loss = tg.sum((w * x) ** 2)
    ...     loss.backward()
    ...     optimizer.step()
    ...     optimizer.zero_grad()
    ...     return loss
    >>> [step(np.array([1.0, 1.0])).item() for _ in range(3)]
    [5.0, 1.25, 0.3125]
    """
    if not callable(function):
        raise TraceError(f"compile() expects a function. Got {type(function).__name__}.")
    return CompiledFunction(function)


def _identifier(name: str) -> str:
    return name if name.isidentifier() else "step"


def _signature(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, list[Any]]:
    """What decides which program runs, and the data for it."""
    key: list[Any] = []
    data: list[Any] = []
    flat = args if not kwargs else (*args, *kwargs.values())
    if kwargs:
        key.append(tuple(kwargs))
    for a in flat:
        if isinstance(a, (list, tuple, dict)):
            key.append(_structure(a))
            for leaf in leaves(a):
                _add(leaf, key, data)
        else:
            _add(a, key, data)
    return tuple(key), data


def _structure(tree: Any) -> Any:
    if isinstance(tree, dict):
        return ("dict", *((k, _structure(v)) for k, v in tree.items()))
    if isinstance(tree, (list, tuple)):
        return (type(tree), *map(_structure, tree))
    return None


def _add(a: Any, key: list[Any], data: list[Any]) -> None:
    if type(a) is np.ndarray or isinstance(a, np.generic):
        key.append((a.shape, a.dtype))
        data.append(a)
    elif isinstance(a, Value):
        key.append((type(a), a.data.shape, a.data.dtype))
        if a.requires_grad:
            raise TraceError(
                "a compiled function was given a tensor that requires a gradient as an argument. "
                "Let the function use it from outside, as a parameter, or pass x.detach()."
            )
        data.append(a.data)
    elif type(a) is float:
        key.append("number")
        data.append(a)
    else:
        try:
            hash(a)
        except TypeError:
            raise TraceError(
                f"a compiled function expects arrays, numbers and hashable static arguments. "
                f"Got {type(a).__name__}: pass the arrays in it instead."
            ) from None
        key.append((type(a), a))


def _stand_in(recording: Recording, a: Any, name: list[str]) -> Any:
    """What the function is given instead of an argument while it is recorded."""
    label = name[0] if name else None
    if isinstance(a, np.generic):
        a = np.asarray(a)
    if type(a) is np.ndarray or type(a) is float:
        return recording.input(a, DATA, label)
    if isinstance(a, Value):
        made = Tensor(recording.input(a.data, DATA, label))
        made.name = a.name
        return made
    return a


def _argument_names(function: Callable[..., Any], args: tuple[Any, ...]) -> list[str]:
    """Names of the arguments where each is a single array."""
    import inspect

    try:
        names = list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return []
    return names if all(not isinstance(a, (list, tuple, dict)) for a in args) else []


def _what_changes(keys: list[Any], function: Callable[..., Any]) -> str:
    names = _argument_names(function, ())
    for place, (one, other) in enumerate(zip(keys[-1], keys[-2], strict=False)):
        if one != other:
            name = names[place] if place < len(names) else f"argument {place}"
            return f"'{name}' (now {one[0]})" if isinstance(one, tuple) else f"'{name}'"
    return "the structure of its arguments"
