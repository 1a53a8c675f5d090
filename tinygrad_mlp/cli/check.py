"""``tinygrad-mlp check``: all operations and formulas, or the derivations in students' files."""

from __future__ import annotations

import inspect
import runpy
import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.autograd.op import OPS, Op
from tinygrad_mlp.autograd.samples import samples_of
from tinygrad_mlp.cli.outputs import FAILURE, SUCCESS, wrapped
from tinygrad_mlp.errors import DataNotFoundError, InvalidArgumentError, TinygradError
from tinygrad_mlp.verify import check_derivation, check_grad, formulas

# -- everything built in ------------------------------------------------------------------------


class Line(NamedTuple):
    """One line of the table.

    Attributes:
        name: the operation or the formula.
        first: the verdict on first derivatives.
        second: the verdict on second derivatives.
        error: the worst relative error.
        seconds: what the check took.
        report: what is wrong, in full; empty where nothing is.
    """

    name: str
    first: str
    second: str
    error: float
    seconds: float
    report: str = ""


def check_everything() -> int:
    """Check every operation and the document's formulas; print the table; return the exit code."""
    print(f"{'operation':<28} {'1st':<6} {'2nd':<6} {'error':>8} {'seconds':>8}")
    lines = []
    for op in OPS.values():
        if not op.discrete:
            lines.append(_shown(_check_op(op)))
    for loss in formulas.LOSSES:
        lines.append(_shown(_check_formula(loss)))
    wrong = [line for line in lines if line.report]
    for line in wrong:
        print(f"\n{line.report}")
    print(f"\n{len(lines) - len(wrong)} of {len(lines)} right.")
    return FAILURE if wrong else SUCCESS


def _shown(line: Line) -> Line:
    print(
        f"{line.name:<28} {line.first:<6} {line.second:<6} {line.error:>8.1e} {line.seconds:>8.2f}",
        flush=True,
    )
    return line


def _check_op(op: Op) -> Line:
    start = time.perf_counter()
    verdicts, worst, reports = {1: "-", 2: "-"}, 0.0, []
    for sample in samples_of(op, np.random.default_rng(0)):
        args, static = op.bind(sample.args, sample.static)
        moving = [i for i, a in enumerate(args) if np.asarray(a).dtype.kind == "f"]
        if not moving:
            continue

        def f(*values: Any, args: Any = args, static: Any = static, at: Any = moving) -> Any:
            complete = list(args)
            for place, value in zip(at, values, strict=True):
                complete[place] = value
            return op(*complete, **static)

        report = check_grad(f, *(np.asarray(args[i]) for i in moving), order=2)
        worst = max([worst, *(pair.relative_error for pair in report.pairs)])
        for order in verdicts:
            wrong = any(p.status == "WRONG" and p.order == order for p in report.pairs)
            if wrong or (order == 1 and report.problems):
                verdicts[order] = "WRONG"
            elif verdicts[order] == "-":
                verdicts[order] = "right"
        if not report.ok:
            reports.append(f"{op.name}, {sample}:\n{report}")
    seconds = time.perf_counter() - start
    return Line(op.name, verdicts[1], verdicts[2], worst, seconds, "\n".join(reports))


def _check_formula(loss: str) -> Line:
    start = time.perf_counter()
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=5), np.eye(3)[1]
    of: dict[str, Callable[..., Any]] = {
        "mean_square": ops.squared_error,
        "cross_entropy": ops.binary_cross_entropy,
    }
    by_hand = getattr(formulas, loss)

    report = check_derivation(
        lambda W1, W2: of[loss](ops.sigmoid(W2 @ ops.tanh(W1 @ x)), y),
        lambda W1, W2: by_hand(W1, W2, x, y),
        W1=rng.normal(size=(4, 5)),
        W2=rng.normal(size=(3, 4)),
    )
    worst = max(row.error for row in report.rows.values())
    name = f"formulas.{loss}"
    seconds = time.perf_counter() - start
    wrong = "" if report.ok else f"{name}:\n{report}"
    return Line(name, "right" if report.ok else "WRONG", "-", worst, seconds, wrong)


# -- students' files ------------------------------------------------------------------------------


def check_files(paths: Iterable[Path]) -> int:
    """Check the derivation in each file, or in each file of a folder; return the exit code."""
    files = [file for path in paths for file in _files(path)]
    wrong = 0
    for file in files:
        if len(files) > 1:
            print(f"\n{file}")
        try:
            report = _check_file(file)
        except TinygradError as error:
            wrong += 1
            print(wrapped(f"Cannot be checked: {error}"))
            continue
        print(_narrow(str(report)))
        wrong += not report.ok
    if len(files) > 1:
        print(f"\n{len(files) - wrong} of {len(files)} files right.")
    elif not wrong:
        print("\nAll right.")
    return FAILURE if wrong else SUCCESS


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        found = sorted(path.glob("*.py"))
        if not found:
            raise DataNotFoundError(f"{path}: this folder has no Python files.")
        return found
    if not path.is_file():
        raise DataNotFoundError(f"{path}: there is no such file.")
    return [path]


def _narrow(report: str) -> str:
    """The report with its sentences, but not its table, wrapped to the terminal."""
    table, gap, sentences = report.partition("\n\n")
    return table + gap + wrapped(sentences)


def _check_file(path: Path) -> Any:
    """The report on the `loss` and `derived` of a file.

    Raises:
        InvalidArgumentError: the file cannot be run, or lacks what is needed.
    """
    try:
        names = runpy.run_path(str(path), run_name="homework")
    except (Exception, SystemExit) as error:
        raise InvalidArgumentError(
            f"{path} cannot be run: {type(error).__name__}: {error} ({_where(error, path)})."
        ) from error
    for name in ("loss", "derived"):
        if name not in names:
            raise InvalidArgumentError(
                f"{path} has no '{name}'. It must define loss(W1, W2, ...), a function of the "
                f"parameters; derived, the gradients by parameter name or a function that returns "
                f"them; and the parameters themselves, as arrays of the names that loss takes."
            )
    if not callable(names["loss"]):
        raise InvalidArgumentError(f"{path}: loss must be a function; got {names['loss']!r}.")
    try:
        return check_derivation(names["loss"], names["derived"], **_point(path, names))
    except TinygradError:
        raise
    except Exception as error:
        raise InvalidArgumentError(
            f"{path}: loss or derived fails with {type(error).__name__}: {error} "
            f"({_where(error, path)})."
        ) from error


def _point(path: Path, names: Mapping[str, Any]) -> dict[str, Any]:
    """The arrays of the file that have the names of the loss's parameters."""
    wanted = [
        p.name for p in inspect.signature(names["loss"]).parameters.values()
        if p.default is p.empty and p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
    ]  # fmt: skip
    missing = [name for name in wanted if name not in names]
    if missing or not wanted:
        raise InvalidArgumentError(
            f"{path}: loss takes {', '.join(wanted) or 'no parameters'}, but the file defines no "
            f"array called {', '.join(missing) or '...'}. Define the point at which to check, "
            f"e.g. W1 = np.random.default_rng(0).normal(size=(4, 3))."
        )
    return {name: names[name] for name in wanted}


def _where(error: BaseException, path: Path) -> str:
    """The line of the student's file in which an error came up."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if Path(frame.filename) == path]
    if own:
        return f"line {own[-1].lineno}: {own[-1].line}"
    if isinstance(error, SyntaxError):
        return f"line {error.lineno}"
    return "outside of the file"
