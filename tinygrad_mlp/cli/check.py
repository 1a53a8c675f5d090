"""``tinygrad-mlp check``: operations, formulas, and derivations and layers in people's files."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from tinygrad_mlp.cli import check_subjects, process
from tinygrad_mlp.cli.check_layers import layers_in
from tinygrad_mlp.cli.check_operations import check_all
from tinygrad_mlp.cli.check_subjects import registry_restored
from tinygrad_mlp.cli.outputs import FAILURE, INTERRUPT, SUCCESS, Heading, Table, fail, wrapped
from tinygrad_mlp.cli.running import Outcome
from tinygrad_mlp.errors import InvalidArgumentError, TinygradError
from tinygrad_mlp.support.source_rewriting import source_of
from tinygrad_mlp.verify import DerivationReport, check_derivation, check_layer
from tinygrad_mlp.verify.derivations.conventions import conventions_in

DERIVED = ("gradients", "gradient", "grads", "grad")
"""Names of functions that are taken for `derived` where there is none."""


class Hints(NamedTuple):
    """How much is told of a mistake in a derivation, and what is none.

    `hint` is how much is told of the wrong line, `seconds` how long it is looked for, `ignoring`
    the names of conventions that are accepted.
    """

    hint: int = 3
    seconds: float = 5.0
    ignoring: tuple[str, ...] = ()

    @property
    def options(self) -> dict[str, Any]:
        """The same as options of the checks."""
        return {"hint": self.hint, "budget": self.seconds, "ignoring": self.ignoring}


ALL = Hints()


def check(words: Sequence[str], *, quick: bool = False, hints: Hints = ALL) -> Outcome:
    """Check what the words name, or everything built in, and print the results."""
    conventions_in(hints.ignoring, "--ignoring")
    with registry_restored():
        operations, losses, paths = check_subjects.subjects_of(words)
        verdicts, interrupted = check_all(operations, losses, quick=quick, notes=bool(words))
        files: list[dict[str, Any]] = []
        for path in paths:
            if interrupted:
                break
            if len(paths) > 1 or verdicts:
                print(f"\n{path}")
            files.append(check_file(path, quick, hints))
            interrupted = files[-1]["interrupted"]
    total = len(verdicts) + len(files)
    right = sum(one["ok"] for one in [*verdicts, *files])
    if total > 1:
        print(f"\n{right} of {total} {'right' if verdicts else 'files right'}.")
    elif total == right == 1 and all(one["conclusive"] for one in files):
        print("\nAll right.")
    if interrupted:
        fail(process.interrupt_reason())
    code = INTERRUPT if interrupted else SUCCESS if right == total else FAILURE
    n = len(operations)
    return Outcome(code, {"operations": verdicts[:n], "formulas": verdicts[n:], "files": files,
                          "right": right, "total": total, "interrupted": interrupted})


def refuse_without_reference(paths: Mapping[str, Path | None]) -> None:
    """Raise an error for files that are written for a class only, and that would be missed."""
    for option, path in paths.items():
        if path is not None:
            raise InvalidArgumentError(
                f"{option} is written for a class. Give the teacher's file, too: --reference FILE.")


def check_file(path: Path, quick: bool, hints: Hints = ALL) -> dict[str, object]:
    """Check ``loss`` and ``derived`` of a file and its operations; print and return the results."""
    document: dict[str, Any] = {"path": path, "ok": False, "error": None, "gradients": None,
                                "layers": {}, "operations": [], "interrupted": False,
                                "conclusive": False, "remarks": []}
    try:
        with registry_restored():
            names = check_subjects.namespace_of(path)
            own = check_subjects.operations_in(names)
            layers, left = layers_in(names)
            has_loss = "derived" in names or _is_loss(names)
            if left and not (own or layers or has_loss):
                raise InvalidArgumentError(" ".join(left))
            reports: list[DerivationReport] = []
            if has_loss or not (own or layers):
                report = derivation_report(path, names, hints)
                document["gradients"] = _derivation_document(report)
                document["remarks"] = report.remarks
                print(_derivation_text(report))
                reports.append(report)
            for layer in layers:
                print(f"{chr(10) if reports else ''}{layer.name}")
                report = _guarded(path, partial(
                    check_layer, *layer.subject, *layer.arguments, **hints.options))
                document["layers"][layer.name] = _derivation_document(report)
                document["remarks"] += report.remarks
                print(_derivation_text(report))
                reports.append(report)
            document["remarks"] += left
            print("".join(f"\n{wrapped(each)}\n" for each in left), end="")
            print(end="\n" if own and reports else "")
            verdicts, interrupted = check_all(own, quick=quick, notes=True)
    except TinygradError as error:
        document["error"] = str(error)
        print(wrapped(f"Cannot be checked: {error}"))
        return document
    right = sum(verdict["ok"] for verdict in verdicts)
    document["operations"], document["interrupted"] = verdicts, interrupted
    document["ok"] = all(report.ok for report in reports) and right == len(own)
    document["conclusive"] = document["ok"] and not left and all(
        report.conclusive for report in reports)
    return document


def _is_loss(names: Mapping[str, object]) -> bool:
    """Return whether a file has a loss of its own."""
    return "loss" in names and inspect.isfunction(names["loss"])


def _guarded(path: Path, check: Callable[[], DerivationReport]) -> DerivationReport:
    """Return a report; an error of the file's own functions names its line."""
    try:
        return check()
    except TinygradError:
        raise
    except Exception as error:
        raise InvalidArgumentError(
            f"{path}: a function fails with {type(error).__name__}: {error} "
            f"({check_subjects.line_of(error, path)}).") from error


def derivation_report(path: Path, names: Mapping[str, object], hints: Hints) -> DerivationReport:
    """Check `loss` and `derived` of a file."""
    derived = _derived_in(names)
    for name, given in (("loss", "loss" in names), ("derived", derived is not None)):
        if not given and not (name == "derived" and _returns_both(names["loss"])):
            raise InvalidArgumentError(
                f"{path} has no '{name}'. It must define loss(W1, W2, ...), a function of the "
                f"parameters; derived, the gradients by parameter name or a function that returns "
                f"them; and the parameters themselves, as arrays of the names that loss takes.")
    if not callable(names["loss"]):
        raise InvalidArgumentError(f"{path}: loss must be a function. Got {names['loss']!r}.")
    try:
        return check_derivation(names["loss"], derived, parameters_of(path, names),
                                **hints.options)
    except TinygradError:
        raise
    except Exception as error:
        raise InvalidArgumentError(
            f"{path}: loss or derived fails with {type(error).__name__}: {error} "
            f"({check_subjects.line_of(error, path)}).") from error


def _derived_in(names: Mapping[str, object]) -> Any:
    """Return the derivation of a file: `derived`, or a function with another usual name."""
    others = (names[name] for name in DERIVED if inspect.isfunction(names.get(name)))
    return names["derived"] if "derived" in names else next(others, None)


def _returns_both(loss: object) -> bool:
    """Return whether a function returns a tuple: the loss and the gradients."""
    source = source_of(loss)
    return source is not None and any(
        isinstance(node, ast.Return) and isinstance(node.value, (ast.Tuple, ast.Dict))
        for node in ast.walk(source.tree))


def parameters_of(path: Path, names: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arrays of a file that have the names of the loss's parameters."""
    wanted = [p.name for p in inspect.signature(names["loss"]).parameters.values()
              if p.default is p.empty and p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    missing = [name for name in wanted if name not in names]
    if missing or not wanted:
        raise InvalidArgumentError(
            f"{path}: loss takes {', '.join(wanted) or 'no parameters'}, but the file defines no "
            f"array called {', '.join(missing) or '...'}. Define the point at which to check, "
            f"e.g. W1 = np.random.default_rng(0).normal(size=(4, 3)).")
    return {name: names[name] for name in wanted}


def _derivation_document(report: DerivationReport) -> dict[str, object]:
    """Return a report on a derivation as JSON."""
    return {
        "ok": report.ok,
        "parameters": {
            name: {
                "ok": row.ok, "verdict": row.verdict, "error": row.error,
                "tolerance": row.tolerance, "worst": row.worst, "yours": row.person,
                "right": row.right, "further_point": row.point}
            for name, row in report.rows.items()},
        "not_given": report.not_given, "not_checked": report.not_checked,
        "diagnoses": {
            name: {
                "kind": found.kind, "op": found.op, "node": found.node, "scale": found.scale,
                "message": found.message,
                "alternatives": [other.message for other in found.alternatives]}
            for name, found in report.diagnoses.items() if report.hint > 1},
        "terms": [{"name": t.name, "ok": t.ok, "meaning": t.meaning} for t in report.terms],
        "first_wrong": report.first_wrong,
        "culprit": report.culprit and {
            key: value for key, value in report.culprit._asdict().items() if key != "values"}}


def _derivation_text(report: DerivationReport) -> str:
    """Return a report on a derivation as text; on a narrow terminal without the numbers."""
    table = Table([Heading("gradient"), Heading(""), Heading("error", right=True, rank=2),
                   Heading("allowed", right=True, rank=2), Heading("worst element", rank=1)])
    for row in report.rows.values():
        at = f" (at further point {row.point})" if row.point else ""
        worst = f"{row.worst}: {row.person:.6g}, right {row.right:.6g}{at}"
        if row.worst is None:
            worst = "shapes differ"
        table.add(row.name, row.verdict, f"{row.error:.2g}", f"{row.tolerance:.2g}", worst)
    for name in report.not_given:
        table.add(name, "not given", "", "", "")
    for term in report.terms:
        table.add(term.name, "right" if term.ok else "WRONG", "", "", term.meaning)
    lines = [str(table)]
    for message, others in report.messages.items():
        lines += ["", wrapped(message), *(wrapped(f"Or: {other}") for other in others)]
    if report.wrong_line:
        lines += ["", report.wrong_line]
    if report.first_wrong is not None:
        first = f"Going back from the loss, the first wrong term is {report.first_wrong}."
        lines += ["", wrapped(first)]
    for remark in report.remarks:
        lines += ["", wrapped(remark)]
    return "\n".join(lines)
