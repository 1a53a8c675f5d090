"""`compile`: record a function once, and run it as a program from then on."""

from __future__ import annotations

import functools
import warnings
from collections import OrderedDict
from collections.abc import Callable, Mapping
from itertools import chain
from typing import Any, Generic, ParamSpec, TypeVar

import numpy as np

from tinygrad_mlp.autograd.mode import MODE
from tinygrad_mlp.autograd.pytree import leaves, map_leaves, rebuild
from tinygrad_mlp.autograd.stores.buffer import RecordedBuffer
from tinygrad_mlp.errors import TraceError
from tinygrad_mlp.program.arguments import changing_argument, program_key, traced_arguments
from tinygrad_mlp.program.captured_state import CapturedState, StateChanged, StateWatch
from tinygrad_mlp.program.executable import Executable, commit
from tinygrad_mlp.program.fast_path import OUTDATED, FastPath
from tinygrad_mlp.program.program import Program
from tinygrad_mlp.program.recording import Recording
from tinygrad_mlp.program.retrace_check import TraceSignature
from tinygrad_mlp.support.html import listing

P = ParamSpec("P")
R = TypeVar("R")

MOST_PROGRAMS = 16
"""Programs kept for one function; the least recently used ones are dropped."""
MOST_SETTINGS = 4
"""Programs kept for arguments of the same types, each for other settings (training or not, …)."""


class CompiledFunction(Generic[P, R]):
    """A function that is recorded at its first call and run as a program from then on.

    For arguments of other shapes, dtypes or static values another program is recorded, and where
    something has changed that its code, or the code of what is `captured`, can read. If `lenient`,
    a function that changes what it reads itself raises StateChanged, with everything put back; and
    unless it is `strict`, a second call that does something else is done all the same. A copy,
    also a deep copy or an unpickled one, compiles a copy of the function: it has no programs yet.

    Attributes:
        programs: the programs by the types of the arguments, the latest used last.
        recordings: how often a program was recorded.
        difference: what differed in a second call, or None.

    >>> import numpy as np, tinygrad_mlp as tg
    >>> double = tg.compile(lambda x: 2 * x)
    >>> double(np.array([1.0, 2.0])), len(double.programs)
    (array([2., 4.]), 1)
    >>> double(np.array([3.0])), len(double.programs)  # another shape, another program
    (array([6.]), 2)
    """

    def __init__(self, function: Callable[P, R], captured: Mapping[str, object] | None = None,
                 lenient: bool = False, strict: bool = True) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        name = getattr(function, "__name__", "step")
        self.name = name if name.isidentifier() else "step"
        self.programs: OrderedDict[Any, list[Executable]] = OrderedDict()
        self.recordings = 0
        self.difference: str | None = None
        self._lenient, self._strict = lenient, strict
        self._watch = StateWatch({self.name: function} if captured is None else captured)
        self._noticed = False
        self._last: Executable | None = None
        self._fast_path: FastPath | None = None

    def __reduce__(self) -> str | tuple[object, ...]:
        # A program belongs to the very tensors that it reads; those of a copy are others. What a
        # module holds under the function's name is, like a function, the same thing everywhere.
        name = getattr(self, "__qualname__", "")
        if getattr(self.function, "__globals__", {}).get(name) is self:
            return name
        return type(self), (self.function,)

    # -- looking at it -------------------------------------------------------------------------

    @property
    def executable(self) -> Executable:
        """The program that was used last, with its function and its states.

        Raises:
            TraceError: there is none yet.
        """
        if self._last is None:
            raise TraceError(
                f"{self.name} has no program yet: a program is recorded at the first call, whose "
                f"arguments say which shapes it is for. Call it once.")
        return self._last

    @property
    def program(self) -> Program:
        """The program that was used last, as it runs."""
        return self.executable.program

    @property
    def source(self) -> str:
        """The NumPy source code of the program that was used last."""
        return self.executable.source.text

    @property
    def readable(self) -> str:
        """The source code before memory is shared, which is easier to read."""
        return self.executable.simplified.source

    def __repr__(self) -> str:
        return f"<compiled {self.name}: {len(self.programs)} program(s)>"

    def _repr_html_(self) -> str:
        if self._last is None:
            return listing(f"{self!r}: recorded at the first call")
        return listing(f"{self!r}; the one used last:") + self.program._repr_html_()

    # -- calling it ----------------------------------------------------------------------------

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the program for such arguments; record one if there is none."""
        mode = MODE.get()
        if mode.hook is not None or mode.depth:
            return self.function(*args, **kwargs)  # being debugged, recorded or differentiated
        if self._fast_path is not None and not kwargs and self._watch.unchanged():
            result = self._fast_path(args)
            if result is not OUTDATED:
                return result
        state = self._watch.now()
        key, data = program_key(args, kwargs)
        for executable in self.programs.get(key, ()):
            if executable.state is not state:
                continue
            if not executable.confirmed:
                if executable.holds():
                    return self._confirm(key, executable, args, kwargs)
                continue
            result = executable.run(data)
            if result is not OUTDATED:
                self._use(executable, executable.fast_path)
                return result
        if not self._lenient:
            self._notice(key, state)
        recording, out = self._recorded(args, kwargs, state)
        return self._added(key, recording, out, args, kwargs)

    def _confirm(self, key: object, executable: Executable, args: tuple[object, ...],
                 kwargs: dict[str, object]) -> Any:
        """Record another call, and check that the function does what it did at the first."""
        recording, out = self._recorded(args, kwargs, executable.state)
        difference = executable.signature.difference(TraceSignature(recording))
        if difference is None:
            executable.confirmed, executable.state = True, self._watch.now()
            self._use(executable)
            return commit(recording, out)
        if executable.in_doubt:
            self.programs[key].remove(executable)
            return self._added(key, recording, out, args, kwargs)
        self.difference = difference
        if not self._strict:
            return commit(recording, out)
        recording.undo()
        raise TraceError(
            f"{self.name} does not do the same at every call: {difference} differs from that of "
            f"the first call, which a program would repeat for ever. Let it be computed by "
            f"operations (random numbers by layers such as tg.nn.Dropout), or pass it in as an "
            f"argument.")

    def _added(self, key: object, recording: Recording, out: object, args: tuple[object, ...],
               kwargs: dict[str, object]) -> Any:
        """Keep the program of a recorded call, and make the updates of the call."""
        only_arrays = not kwargs and all(type(a) is np.ndarray for a in args)
        executable = Executable(recording, out, self.name, only_arrays)
        executable.state = self._watch.now()
        result = commit(recording, out)
        self.recordings += 1
        self._keep(key, executable)
        return result

    def _recorded(self, args: tuple[object, ...], kwargs: dict[str, object],
                  state: CapturedState | None, finite: bool = True) -> tuple[Recording, object]:
        """Return a recording of a call, which has changed nothing yet, and what it returned.

        Raise FloatingPointError if a value that must be finite is not, and `finite` insists on it.
        """
        recording = Recording()
        flat = traced_arguments(recording, self.function, args, leaves([args, kwargs]))
        traced_args, traced_kwargs = rebuild([args, kwargs], flat)
        try:
            with recording.recording():
                out = map_leaves(_read, self.function(*traced_args, **traced_kwargs))
                out = recording.returned(out)
                recording.finish()
            if finite and not all(np.isfinite(v.data).all() for v in recording.required):
                raise FloatingPointError("a number that must be finite is not")
            self._watch.leave_out(recording.tensors())
            if self._lenient and state is not None and self._watch.now() is not state:
                raise StateChanged(self._watch.difference)
        except BaseException:
            recording.undo()
            if self._lenient and state is not None:
                state.restore()
            raise
        return recording, out

    def _notice(self, key: object, state: CapturedState) -> None:
        """Warn, once, that a program is recorded again as something has changed that it holds."""
        if self._noticed or not any(e.state is not state for e in self.programs.get(key, ())):
            return
        self._noticed = True
        warnings.warn(
            f"{self.name}: {self._watch.difference} has changed since the program was recorded, "
            f"which holds it as it was. Another program is recorded. Pass what changes often as "
            f"an argument, as recording takes as long as hundreds of calls.",
            UserWarning, stacklevel=3)

    # -- keeping programs ------------------------------------------------------------------------

    def prepare(self, *args: object, confirmed: bool) -> None:
        """Make the program for such arrays without calling the function or changing anything.

        If `confirmed`, a second call has shown before that the function does the same.
        """
        key, _ = program_key(args, {})
        recording, out = self._recorded(args, {}, None, finite=False)
        executable = Executable(recording, out, self.name, only_arrays=True)
        recording.undo()
        recording.drop_examples()
        executable.confirmed, executable.state = confirmed, self._watch.now()
        self._keep(key, executable)

    def current(self, executable: Executable) -> bool:
        """Return whether a program still does what the function does."""
        return executable.state is self._watch.now() and executable.holds()

    def keeps(self, executable: Executable) -> bool:
        """Return whether a program has not been dropped."""
        return any(executable is kept for kept in chain.from_iterable(self.programs.values()))

    def assumed(self, executable: Executable) -> bool:
        """Return whether what a program was recorded for is still true."""
        return executable.state is self._watch.now() and executable.assumed()

    def doubt(self) -> None:
        """Record the next calls again, and drop a program that does something else."""
        for executables in self.programs.values():
            for executable in executables:
                executable.in_doubt = executable.in_doubt or executable.confirmed
                executable.confirmed = False
        self._fast_path = None

    def drop_outdated(self, arrays: bool = True) -> bool:
        """Drop programs that do not hold any more, and return whether there are any.

        What runs next must not depend on programs for settings that have been left. If it is to
        look at all elements of large `arrays` that the function reads, that may take long.
        """
        if arrays:
            self._watch.look_closely()
        state, stale = self._watch.now(), False
        for executables in self.programs.values():
            held = [e for e in executables if e.state is state and e.assumed()]
            stale = stale or len(held) < len(executables)
            executables[:] = held
        if stale and self._last is not None and not self.keeps(self._last):
            self._last = self._fast_path = None
        return stale

    def _use(self, executable: Executable, fast_path: FastPath | None = None) -> None:
        """Take this program as the last one, and try its fast path first at the next call."""
        self._last, self._fast_path = executable, fast_path

    def _keep(self, key: object, executable: Executable) -> None:
        """Keep a new program, and drop the least recently used ones."""
        kept = self.programs.setdefault(key, [])
        kept.append(executable)
        del kept[:-MOST_SETTINGS]
        self.programs.move_to_end(key)
        self._use(executable)
        if len(self.programs) > MOST_PROGRAMS:
            self.programs.popitem(last=False)
            warnings.warn(
                f"{self.name}: more than {MOST_PROGRAMS} programs have been recorded, because "
                f"{changing_argument(list(self.programs), self.function)} keeps changing. Pad or "
                f"batch the data to a few shapes, or pass numbers that change as floats.",
                RuntimeWarning,
                stacklevel=3)


def _read(value: object) -> Any:
    """Return a result of a function, without the way in which it records stores."""
    return value.result() if isinstance(value, RecordedBuffer) else value


def compile(function: Callable[P, R]) -> CompiledFunction[P, R]:
    """Return a function that does the same without building the graph again at every call.

    On the first call with arguments of given shapes and dtypes, everything that passes the
    operations is recorded: forward and backward pass, the optimizer's update, running
    statistics. The second call is recorded, too, to check that the function does the same again.
    From then on the program runs, as plain NumPy code, on the current arguments, parameters and
    states. Random masks are drawn anew at every run.

    What decides which operations there are must not depend on values: neither ``if loss > 1`` nor
    a shape computed from numbers. Arrays and floats are data; other arguments are static, and a
    program is recorded for each of their values. Parameters are updated in place, unless somebody
    else holds the array, such as a graph recorded before: then they get a new one.

    Everything else that the function reads is frozen in the program: numbers, lists and arrays of
    its closure, globals, defaults, attributes of modules and of your objects, which parameters
    there are, which of them require a gradient, the hyper-parameters of an optimizer. Where one of
    them has changed, the next call records another program and says so once. The page on programs
    lists what cannot be seen.

    Args:
        function: of arrays, tensors, numbers, or nestings of them.

    Returns:
        the compiled function; `.program` prints as a listing, `.source` is NumPy code.

    Raises:
        TraceError: when called, if something cannot be recorded (it names the line), or if the
            second call does something else than the first.

    Warns:
        UserWarning: something that the program holds has changed; names it, once.

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
