"""`compile`: record a function once, and run it as a program from then on."""

from __future__ import annotations

import functools
import warnings
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.mode import MODE
from tinygrad_mlp.autograd.pytree import leaves, rebuild
from tinygrad_mlp.errors import TraceError
from tinygrad_mlp.program.arguments import changing_argument, program_key, traced_arguments
from tinygrad_mlp.program.executable import Executable, commit
from tinygrad_mlp.program.fast_path import OUTDATED, FastPath
from tinygrad_mlp.program.program import Program
from tinygrad_mlp.program.recording import Recording
from tinygrad_mlp.program.retrace_check import TraceSignature
from tinygrad_mlp.support.html import listing

MOST_PROGRAMS = 16
"""Programs kept for one function; the least recently used ones are dropped."""
MOST_SETTINGS = 4
"""Programs kept for arguments of the same types, each for other settings (training or not, …)."""


class CompiledFunction:
    """A function that is recorded at its first call and run as a program from then on.

    For arguments of other shapes, dtypes or static values another program is recorded. A copy, also
    a deep copy or an unpickled one, compiles a copy of the function: it has no programs yet.

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
        name = getattr(function, "__name__", "step")
        self.name = name if name.isidentifier() else "step"
        self.programs: OrderedDict[Any, list[Executable]] = OrderedDict()
        self._last: Executable | None = None
        self._fast_path: FastPath | None = None

    def __reduce__(self) -> Any:
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

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the program for such arguments; record one if there is none."""
        mode = MODE.get()
        if mode.hook is not None or mode.depth:
            return self.function(*args, **kwargs)  # being debugged, recorded or differentiated
        if self._fast_path is not None and not kwargs:
            result = self._fast_path(args)
            if result is not OUTDATED:
                return result
        key, data = program_key(args, kwargs)
        for executable in self.programs.get(key, ()):
            if not executable.confirmed:
                if executable.holds():
                    return self._confirm(executable, args, kwargs)
                continue
            result = executable.run(data)
            if result is not OUTDATED:
                self._use(executable)
                return result
        recording, out = self._recorded(args, kwargs)
        only_arrays = not kwargs and all(type(a) is np.ndarray for a in args)
        executable = Executable(recording, out, self.name, only_arrays)
        result = commit(recording, out)
        self._keep(key, executable)
        return result

    def _confirm(self, executable: Executable, args: tuple[Any, ...],
                 kwargs: dict[str, Any]) -> Any:
        """Record the second call, and check that the function does what it did at the first."""
        assert executable.signature is not None
        recording, out = self._recorded(args, kwargs)
        difference = executable.signature.difference(TraceSignature(recording))
        if difference is not None:
            recording.undo()
            raise TraceError(
                f"{self.name} does not do the same at every call: {difference} differs from that "
                f"of the first call, which a program would repeat for ever. Let it be computed by "
                f"operations (random numbers by layers such as tg.nn.Dropout), or pass it in as an "
                f"argument.")
        executable.signature = None
        self._use(executable)
        return commit(recording, out)

    def _recorded(self, args: tuple[Any, ...], kwargs: dict[str, Any],
                  finite: bool = True) -> tuple[Recording, Any]:
        """Return a recording of a call, which has changed nothing yet, and what it returned.

        Raise FloatingPointError if a value that must be finite is not, and `finite` insists on it.
        """
        recording = Recording()
        flat = traced_arguments(recording, self.function, args, leaves([args, kwargs]))
        traced_args, traced_kwargs = rebuild([args, kwargs], flat)
        try:
            with recording.recording():
                out = self.function(*traced_args, **traced_kwargs)
                recording.finish()
            if finite and not all(np.isfinite(v.data).all() for v in recording.required):
                raise FloatingPointError("a number that must be finite is not")
        except BaseException:
            recording.undo()
            raise
        return recording, out

    # -- keeping programs ------------------------------------------------------------------------

    def prepare(self, *args: Any, confirmed: bool) -> None:
        """Make the program for such arrays without calling the function or changing anything.

        If `confirmed`, a second call has shown before that the function does the same.
        """
        key, _ = program_key(args, {})
        recording, out = self._recorded(args, {}, finite=False)
        executable = Executable(recording, out, self.name, only_arrays=True)
        recording.undo()
        recording.drop_examples()
        if confirmed:
            executable.signature = None
        self._keep(key, executable)

    def release(self) -> None:
        """Drop the programs that do not hold any more, and write to no array handed out before.

        What runs next must not depend on programs for settings that have been left.
        """
        for executables in self.programs.values():
            executables[:] = [executable for executable in executables if executable.assumed()]
            for executable in executables:
                executable.release()
        if self._last is not None and not self._last.assumed():
            self._last = self._fast_path = None

    def _use(self, executable: Executable) -> None:
        """Try this program first at the next call."""
        self._last = executable
        self._fast_path = executable.fast_path if executable.confirmed else None

    def _keep(self, key: Any, executable: Executable) -> None:
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


def compile(function: Callable[..., Any]) -> CompiledFunction:
    """Return a function that does the same without building the graph again at every call.

    On the first call with arguments of given shapes and dtypes, everything that passes the
    operations is recorded: forward and backward pass, the optimizer's update, running
    statistics. The second call is recorded, too, to check that the function does the same again.
    From then on the program runs, as plain NumPy code, on the current arguments, parameters and
    states. Random masks are drawn anew at every run.

    What decides which operations there are must not depend on values: neither ``if loss > 1`` nor
    a shape computed from numbers. Arrays and floats are data; other arguments are static, and a
    program is recorded for each of their values. Parameters are updated in place: copy what you
    want to keep.

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
