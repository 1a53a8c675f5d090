"""Writes docs/operations.md: every operation with what is known of it, from the registry.

``python -m tests.operations`` writes the page anew. What it says of an operation is tried when it
is written, on the samples of the operation's record; a test holds that the page is up to date.
"""

from __future__ import annotations

import sys
import types
import warnings
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

import tinygrad_mlp as tg
from tinygrad_mlp.autograd.numpy_dispatch import numpy_op
from tinygrad_mlp.autograd.ops import BUILDING_BLOCKS
from tinygrad_mlp.autograd.ops.samples import samples_of

PAGE = Path(__file__).parents[1] / "docs" / "operations.md"

ORDERS = 3
SAMPLES = 3
"""Of how many samples of an operation the derivatives are tried."""

ORDER = (
    "arithmetic", "selection", "exponential", "trigonometry", "hyperbolic", "inverse_hyperbolic",
    "special", "rectifiers", "rounding", "sums", "reduction", "statistics", "scans", "sorting",
    "normalisation", "shape", "axes", "matmul", "tensordot", "einsum", "convolution", "solve",
    "triangular", "spectral", "norms", "losses", "comparison")
"""The modules of operations as the page has them; others follow."""

VERSIONS = f"NumPy {np.__version__.rpartition('.')[0]}, SciPy {version('scipy').rpartition('.')[0]}"

INTRODUCTION = f"""# Operations

Every operation, from its record in `tg.OPS`. This page is made by `python -m tests.operations`,
which tries what it says on the samples of each record; the tests check more, and with all of them.
Made with {VERSIONS}.

- **equation**: the operation and its gradient rules. `g` is the derivative of the final output with
  respect to the result `y`, and `x̄` that with respect to the argument `x`. `check_op` evaluates
  both sides. Factors stand side by side and `@` is the matrix product; `[x > 0]` is 1 where the
  condition holds and 0 elsewhere; the initial of an argument stands for it. Sums run over the
  operation's `axis` and `n` counts what they add up; broadcasting is undone by the engine and not
  mentioned. In `a[i, j]` the indices count the last axes, elements outside of an array are 0, and
  sums run over the indices that the left side does not have.
- **NumPy**: the functions of NumPy and SciPy that stand for it when called on a `Tensor`. Each of
  these names is a function of `tg`, too, but for those of `special`, which stands for
  `scipy.special`.
- **orders**: up to which order its derivatives were compared with numbers, at most {ORDERS}. Rules
  are made of operations, so that there is no last order. "plain array" stands for an operation
  whose result is constant wherever it has a derivative: an array, without history.
- **complex**: whether its forward function can be differentiated by a complex step, so that its
  first derivative can be checked to the last digits.
- **compiled**: whether `tg.compile` replays it on other numbers.
- **stacks**: whether it treats the arrays of a stack (more axes in front) one by one.
"""

LEFT_OUT = {
    "There is nothing to differentiate: whole numbers, bits, dates and sets.": """
        array_equal array_equiv allclose bitwise_and bitwise_count bitwise_invert
        bitwise_left_shift bitwise_not bitwise_or bitwise_right_shift bitwise_xor invert left_shift
        right_shift gcd lcm packbits unpackbits busday_count busday_offset is_busday
        datetime_as_string datetime_data isnat in1d intersect1d isin setdiff1d setxor1d union1d
        unique unique_all unique_counts unique_inverse unique_values bincount histogram histogram2d
        histogram_bin_edges histogramdd digitize lexsort isneginf isposinf nanargmax nanargmin
        nextafter spacing frexp ldexp""",
    "The shape of the result depends on the values, which a program cannot record. Index with what "
    "they return for `.numpy()`.": """
        argwhere compress extract flatnonzero nonzero trim_zeros""",
    "It changes its argument. Use `tg.where`, or an index on the right-hand side.": """
        copyto fill_diagonal place put put_along_axis putmask resize""",
    "Numbers are real here.": """
        angle conj conjugate imag real real_if_close iscomplex iscomplexobj isreal isrealobj
        sort_complex""",
    "Polynomials have their own package in NumPy; a product with `np.vander(x)` is one.": """
        poly polyadd polyder polydiv polyfit polyint polymul polysub polyval roots vander""",
    "It makes an array out of nothing, or one that does not depend on the elements: there is no "
    "gradient to pass on, and its result can be used beside a Tensor.": """
        arange array full asarray asanyarray asarray_chkfinite ascontiguousarray asfortranarray
        asmatrix
        bartlett blackman hamming hanning kaiser bmat empty empty_like eye frombuffer fromfile
        fromfunction fromiter fromregex fromstring from_dlpack identity indices
        loadtxt genfromtxt load ones zeros tri diag_indices diag_indices_from
        mask_indices ravel_multi_index unravel_index tril_indices tril_indices_from triu_indices
        triu_indices_from ix_""",
    "It asks about types, shapes, memory, files, printing or settings.": """
        array2string array_repr array_str base_repr binary_repr broadcast_shapes can_cast
        common_type einsum_path format_float_positional format_float_scientific get_include
        get_printoptions getbufsize geterr geterrcall info isdtype isfortran isscalar issubdtype
        iterable may_share_memory min_scalar_type mintypecode nested_iters printoptions
        promote_types result_type save savetxt savez savez_compressed set_printoptions setbufsize
        seterr seterrcall shares_memory show_config show_runtime test typename require""",
    "It calls a function of yours: call that on the Tensor.": """
        apply_along_axis apply_over_axes frompyfunc piecewise""",
    "It is short to write with operations that are there, and says more when written so: "
    "`np.nansum(x)` is `tg.sum(tg.where(tg.isnan(x), 0, x))`, `np.ptp(x)` is "
    "`tg.max(x) - tg.min(x)`, `np.geomspace(a, b)` is `a * (b / a) ** np.linspace(0, 1)`.": """
        block geomspace logspace corrcoef correlate cov copy copysign
        cumulative_prod cumulative_sum divmod ediff1d interp modf
        nancumprod nancumsum nanmax nanmean nanmedian nanmin nanpercentile nanprod
        nanquantile nanstd nansum nanvar percentile quantile positive ptp unwrap choose
        delete insert matvec vecmat vecdot unstack row_stack""",
}
"""What NumPy has and this package has not, by reason."""

WHOLE_MODULES = {
    "fft": "complex numbers; `tg.rfft` and `tg.irfft` have their real and imaginary parts",
    "polynomial": "polynomials as objects",
    "random": "samples have no gradient; for reparametrised ones scale those of a `Generator`",
    "char": "text",
    "strings": "text",
    "ma": "masked arrays: use `tg.where`",
    "emath": "results that turn complex",
}


PARAMETERS = """Of the parameters of functions that are there:

- `dtype=`, `initial=` and `where=` of `sum`, `prod`, `mean`, `max` and `min`, `dtype=` of other
  reductions, scans and joins, and `order=` of `reshape` and `ravel` are understood by NumPy's
  functions and by the methods of a `Tensor`. On `tg`'s own functions write
  `tg.sum(tg.where(chosen, x, 0))`, or `.astype(...)`.
- `out=` writes to an array that the graph does not see, and `where=` of a ufunc leaves some of it
  as it was. Both are refused; so are `dtype=` of ufuncs (use `.astype(...)`) and `where=` of
  `var` and `std`.
- `pad` has no mode `empty`, whose values are accidental, and no odd reflection, which is twice
  the edge less the even one.
- `cross` takes vectors of three elements. Those of a plane are on their way out of NumPy: give
  them a third element of 0.
- `float_power` gives float64, as NumPy's does; `power` keeps float32.
- `scipy.special.logsumexp`, `softmax` and `log_softmax` are no ufuncs, and SciPy does not ask
  their argument what it is: on a Tensor use those of `tg`.
"""


# -- what is tried --------------------------------------------------------------------------------


def bound(op: tg.Op, sample: tg.Sample) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments of a sample, as arrays, and its static parameters."""
    args, static = op.bind(sample.args, sample.static)
    return tuple(None if a is None else np.asarray(a) for a in args), static


def cases(op: tg.Op) -> list[tuple[tuple[Any, ...], dict[str, Any], list[int]]]:
    """Bound samples, and which of their arguments can be moved."""
    found = []
    for sample in samples_of(op, np.random.default_rng(5)):
        args, static = bound(op, sample)
        rules = [op.rule(i) for i in range(len(args))]
        moved = [
            i for i, a in enumerate(args)
            if a is not None and a.size and a.dtype.kind == "f" and rules[i] is not None]
        found.append((args, static, moved))
    return found


def outputs(op: tg.Op, result: Any) -> tuple[Any, ...]:
    """The results of a call: one, or as many as the operation has."""
    return tuple(result) if op.outputs > 1 else (result,)


def along_a_line(op: tg.Op, case: Any) -> Any:
    """A number that depends on one number, t: the operation on its arguments moved by t v."""
    args, static, moved = case
    rng = np.random.default_rng(6)
    v = {i: 0.3 * rng.normal(size=args[i].shape) for i in moved}
    weights = [rng.normal(size=np.shape(o)) for o in outputs(op, op(*args, **static))]

    def f(t: Any) -> Any:
        out = op(*[a + t * v[i] if i in v else a for i, a in enumerate(args)], **static)
        return sum(tg.sum(w * o) for w, o in zip(weights, outputs(op, out), strict=True))

    return f


def orders_of(op: tg.Op) -> int:
    """Up to which order its derivatives agree with difference quotients of the order below."""
    chosen = [case for case in cases(op) if case[2]][:SAMPLES]
    reached = ORDERS if chosen else 0
    for case in chosen:
        f = along_a_line(op, case)
        for order in range(1, reached + 1):
            h, df = 1e-3, tg.grad(f)
            expected = (8 * (f(h) - f(-h)) - (f(2 * h) - f(-2 * h))) / (12 * h)
            if not np.isclose(df(0.0), expected, rtol=1e-6, atol=1e-6 * (1 + abs(f(0.0)))):
                reached = order - 1
                break
            f = df
    return reached


def takes_complex_step(op: tg.Op) -> bool:
    """Whether ``Im f(x + ih v) / h`` is the derivative along v."""
    for args, static, moved in [case for case in cases(op) if case[2]][:SAMPLES]:
        f = along_a_line(op, (args, static, moved))
        rng = np.random.default_rng(6)
        v = {i: 0.3 * rng.normal(size=args[i].shape) for i in moved}
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("error")
                step = [a + 1e-30j * v[i] if i in v else a for i, a in enumerate(args)]
                outs = outputs(op, op.forward(*step, **static))
                found = sum(np.sum(rng.normal(size=o.shape) * o.imag) / 1e-30 for o in outs)
        except Exception:
            return False
        if not np.isclose(found, tg.grad(f)(0.0), rtol=1e-10, atol=1e-12):
            return False
    return True


def two_draws(op: tg.Op) -> Iterator[tuple[Any, Any]]:
    """Pairs of bound samples that differ in nothing but their numbers."""
    draws = [list(samples_of(op, np.random.default_rng(seed))) for seed in (1, 2)]
    for pair in zip(*draws, strict=True):
        first, second = (bound(op, sample) for sample in pair)
        if [np.shape(a) for a in first[0]] == [np.shape(a) for a in second[0]]:
            yield first, second


def is_compiled(op: tg.Op) -> bool:
    """Whether a program of it gives the right results for two samples of one shape."""
    for first, second in two_draws(op):
        compiled = tg.compile(lambda *args, static=first[1]: op(*args, **static))
        found, expected = [], []
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")  # a program that is recorded again is none
                for args, static in (first, second):
                    found += outputs(op, compiled(*args))
                    expected += outputs(op, op(*args, **static))
        except (tg.errors.TraceError, UserWarning):
            continue
        pairs = zip(found, expected, strict=True)
        return all(np.allclose(a, b, rtol=1e-12, atol=1e-14, equal_nan=True) for a, b in pairs)
    return False


def takes_stacks(op: tg.Op) -> bool:
    """Whether some sample, stacked with another draw of it, gives the stack of the results."""
    for (one, static), (drawn, _) in two_draws(op):
        for n in (len(one), 1):  # all arguments are stacked, or the first alone
            other = (*drawn[:n], *one[n:])
            pairs = zip(one[:n], other[:n], strict=True)
            both = [None if a is None else np.stack([a, b]) for a, b in pairs]
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("error")
                    found = outputs(op, op(*both, *one[n:], **static))
                    apart = [outputs(op, op(*args, **static)) for args in (one, other)]
                    expected = [np.stack(parts) for parts in zip(*apart, strict=True)]
            except Exception:
                continue
            pairs = zip(found, expected, strict=True)
            if all(np.shape(a) == b.shape and np.allclose(a, b, rtol=1e-12) for a, b in pairs):
                return True
    return False


# -- the page -------------------------------------------------------------------------------------


def public_functions() -> Iterator[tuple[str, Any]]:
    """The functions of NumPy's own namespace."""
    for name in dir(np):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # names on their way out
            function = getattr(np, name)
        if not name.startswith("_") and callable(function) and not isinstance(function, type):
            if not isinstance(function, types.ModuleType):
                yield name, function


def numpy_names(op: tg.Op) -> list[str]:
    """The names by which NumPy and SciPy know an operation."""
    import scipy.special  # noqa: F401, its functions are found once it is loaded

    made = getattr(tg, op.name)
    names = [name for name, f in public_functions() if standing_for(f) in (op, made)]
    return [*names, *([f"special.{op.record.scipy}"] if op.record.scipy else [])]


def standing_for(function: Any) -> Any:
    """What stands for a function of NumPy on a Tensor, or None."""
    try:
        return numpy_op(function)
    except tg.errors.NotDifferentiableError:
        return None


def left_out() -> dict[str, list[str]]:
    """The functions of NumPy without an operation, by reason."""
    missing = [name for name, function in public_functions() if standing_for(function) is None]
    table = {reason: sorted({*names.split()} & {*missing}) for reason, names in LEFT_OUT.items()}
    known = {name for names in table.values() for name in names}
    table["Not there yet."] = [name for name in missing if name not in known]
    return {reason: names for reason, names in table.items() if names}


def row(op: tg.Op) -> str:
    """The line of the table for one operation."""
    names = ", ".join(f"`{name}`" for name in numpy_names(op))
    if op.nondifferentiable:
        status = ["plain array", "–"]
    else:
        status = [str(orders_of(op)), "yes" if takes_complex_step(op) else "no"]
    status += ["yes" if is_compiled(op) else "no", "yes" if takes_stacks(op) else "no"]
    equation = op.record.equation.replace("|", "\\|").replace("*", "\\*").replace("_", "\\_")
    return f"| `{op.name}` | {equation} | {names} | {' | '.join(status)} |"


def rows(operations: list[tg.Op]) -> list[str]:
    """The table of some operations."""
    head = "| operation | equation | NumPy | orders | complex | compiled | stacks |"
    return [head, "|---|---|---|---|---|---|---|", *map(row, operations), ""]


def place_of(module: str) -> tuple[int, str]:
    """What to sort the modules of operations by."""
    name = module.rpartition(".")[2]
    return ORDER.index(name) if name in ORDER else len(ORDER), name


def page() -> str:
    """The text of docs/operations.md."""
    lines = [INTRODUCTION]
    modules: dict[str, list[tg.Op]] = {}
    for op in tg.OPS.values():
        if op.name not in BUILDING_BLOCKS:
            modules.setdefault(op.__module__, []).append(op)
    for module in sorted(modules, key=place_of):
        operations = modules[module]
        lines += [f"## {module.rpartition('.')[2].capitalize().replace('_', ' ')}", ""]
        summary = (sys.modules[module].__doc__ or "").partition("\n\n")[0]
        lines += [" ".join(summary.split()), "", *rows(operations)]
    lines += ["## Building blocks", ""]
    lines += ["Operations of which rules and other functions are made. `dir(tg)` leaves them out."]
    lines += ["", *rows([tg.OPS[name] for name in BUILDING_BLOCKS])]
    lines += ["## What NumPy has and this package has not", ""]
    lines += ["On a Tensor most of these raise an error that says so; on `.numpy()` all work."]
    lines += ["", "| reason | functions |", "|---|---|"]
    for reason, names in left_out().items():
        lines += [f"| {reason} | {', '.join(f'`{name}`' for name in names)} |"]
    modules_left = [f"`np.{name}` ({why})" for name, why in WHOLE_MODULES.items()]
    lines += ["", f"Whole modules are left out as well: {'; '.join(modules_left)}.", ""]
    lines += [PARAMETERS]
    return "\n".join(lines)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"{PAGE.name}: {len(tg.OPS)} operations")
