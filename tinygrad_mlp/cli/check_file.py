"""What a student's file holds: a derivation, operations, or both."""

from __future__ import annotations

import inspect
import runpy
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.autograd.op import OPS, Op
from tinygrad_mlp.cli.check_operations import check_all
from tinygrad_mlp.cli.outputs import Column, Table, wrapped
from tinygrad_mlp.errors import InvalidArgumentError, TinygradError
from tinygrad_mlp.verify import DerivationReport, check_derivation


def check_file(path: Path, quick: bool) -> dict[str, Any]:
    """Check what a file defines: ``loss`` and ``derived``, and each operation.

    Prints what came out.

    Returns:
        The same for machines.
    """
    document: dict[str, Any] = {
        "path": path, "ok": False, "error": None, "gradients": None, "operations": [],
        "interrupted": False,
    }  # fmt: skip
    try:
        with registry_kept():
            names = namespace_of(path)
            own = operations_in(names)
            report = None
            if not own or "loss" in names or "derived" in names:
                report = _report_on(path, names)
                document["gradients"] = _document(report)
                print(_text(report))
                print(end="\n" if own else "")
            verdicts = check_all(own, quick=quick, notes=True)
    except TinygradError as error:
        document["error"] = str(error)
        print(wrapped(f"Cannot be checked: {error}"))
        return document
    document["operations"] = verdicts.operations
    document["interrupted"] = verdicts.interrupted
    document["ok"] = (report is None or report.ok) and verdicts.right == len(own)
    return document


@contextmanager
def registry_kept() -> Iterator[None]:
    """Take operations that a file registers out of the registry again: others use their names."""
    before = dict(OPS)
    try:
        yield
    finally:
        OPS.clear()
        OPS.update(before)


def operations_in(names: Mapping[str, Any]) -> list[Op]:
    """The operations among the values of a namespace that are not built in; each once."""
    found = {id(op): op for op in names.values() if isinstance(op, Op)}
    return [op for op in found.values() if getattr(ops, op.name, None) is not op]


def namespace_of(path: Path) -> dict[str, Any]:
    """What a file defines when it is run.

    Raises:
        InvalidArgumentError: it cannot be run.
    """
    try:
        return runpy.run_path(str(path), run_name="homework")
    except (Exception, SystemExit) as error:
        raise InvalidArgumentError(
            f"{path} cannot be run: {type(error).__name__}: {error} ({_where(error, path)})."
        ) from error


def _document(report: DerivationReport) -> dict[str, Any]:
    """A report on a derivation for machines."""
    return {
        "ok": report.ok,
        "parameters": {
            name: {
                "ok": row.ok, "error": row.error, "tolerance": row.tolerance, "worst": row.worst,
                "yours": row.person, "right": row.right, "further_point": row.point,
            }
            for name, row in report.rows.items()
        },
        "not_given": report.not_given,
        "diagnoses": {
            name: {
                "kind": found.kind, "op": found.op, "node": found.node, "scale": found.scale,
                "message": found.message,
                "alternatives": [other.message for other in found.alternatives],
            }
            for name, found in report.diagnoses.items()
        },
        "terms": [
            {"name": term.name, "ok": term.ok, "meaning": term.meaning} for term in report.terms
        ],
        "first_wrong": report.first_wrong,
    }  # fmt: skip


def _text(report: DerivationReport) -> str:
    """A report on a derivation for people; on a narrow terminal without the numbers."""
    table = Table([
        Column("gradient"), Column(""), Column("error", right=True, rank=2),
        Column("allowed", right=True, rank=2), Column("worst element", rank=1),
    ])  # fmt: skip
    for row in report.rows.values():
        at = f" (at further point {row.point})" if row.point else ""
        table.add(
            row.name, "right" if row.ok else "WRONG", f"{row.error:.2g}", f"{row.tolerance:.2g}",
            "shapes differ" if row.worst is None
            else f"{row.worst}: {row.person:.6g}, right {row.right:.6g}{at}",
        )  # fmt: skip
    for name in report.not_given:
        table.add(name, "not given", "", "", "")
    for term in report.terms:
        table.add(term.name, "right" if term.ok else "WRONG", "", "", term.meaning)
    said = [str(table)]
    for diagnosis in report.diagnoses.values():
        said.append("")
        said.append(wrapped(diagnosis.message))
        said += [wrapped(f"Or: {other.message}") for other in diagnosis.alternatives]
    if report.first_wrong is not None:
        said.append("")
        said.append(
            wrapped(f"Going back from the loss, the first wrong term is {report.first_wrong}.")
        )
    return "\n".join(said)


def _report_on(path: Path, names: Mapping[str, Any]) -> DerivationReport:
    """The report on `loss` and `derived` of a file.

    Raises:
        InvalidArgumentError: the file lacks what is needed.
    """
    for name in ("loss", "derived"):
        if name not in names:
            raise InvalidArgumentError(
                f"{path} has no '{name}'. It must define loss(W1, W2, ...), a function of the "
                f"parameters; derived, the gradients by parameter name or a function that returns "
                f"them; and the parameters themselves, as arrays of the names that loss takes."
            )
    if not callable(names["loss"]):
        raise InvalidArgumentError(f"{path}: loss must be a function. Got {names['loss']!r}.")
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
