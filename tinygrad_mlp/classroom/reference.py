"""The teacher's file: the loss, the points at which a class is marked, and what is not allowed."""

from __future__ import annotations

import ast
import inspect
import runpy
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.classroom.submissions import FORBIDDEN
from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.verify.derivations.check import checked_options
from tinygrad_mlp.verify.further_points import moved

SETTINGS = ("parameters", "points", "hidden_points", "weights", "forbidden", "files", "scale",
            "ignoring")
"""Names of the file that tell how to mark, and that no submission sees."""

HIDDEN_POINTS = 3
"""Points that are drawn where the file gives no hidden ones."""


class Reference(NamedTuple):
    """What a class is marked by.

    Attributes:
        path: the teacher's file.
        loss: the loss, a function of the parameters.
        points: the points that students know; the first is the one to explain mistakes at.
        hidden: the points that they do not know.
        weights: how much each gradient counts.
        forbidden: the names that no submission may use.
        files: data files that each submission finds beside itself.
        shared: numbers and arrays that submissions find defined, such as X and y.
        definitions: the functions and imports of the file as source text, for explanations.
        accepted: the options `scale` and `ignoring` of `check_derivation`.
    """

    path: Path
    loss: Callable[..., Any]
    points: list[dict[str, Array]]
    hidden: list[dict[str, Array]]
    weights: dict[str, float]
    forbidden: tuple[str, ...]
    files: list[Path]
    shared: dict[str, Any]
    definitions: str
    accepted: dict[str, Any]

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of the parameters, in the order of the loss."""
        return tuple(self.points[0])


def read_reference(path: Path) -> Reference:
    """Run the teacher's file and return what it says.

    Raises:
        InvalidArgumentError: it cannot be run, or something in it is missing or of a wrong kind.
    """
    try:
        names = runpy.run_path(str(path), run_name="reference")
    except (Exception, SystemExit) as error:
        raise InvalidArgumentError(
            f"{path}: the reference cannot be run: {type(error).__name__}: {error}.") from error
    loss = names.get("loss")
    if not callable(loss):
        raise InvalidArgumentError(
            f"{path}: the reference must define loss(W, ...), a function of the parameters. "
            f"Got {loss!r}.")
    points = _points(path, loss, names)
    hidden = names.get("hidden_points")
    if callable(hidden):
        hidden = hidden(np.random.default_rng(0))
    if hidden is None:
        rng = np.random.default_rng(0)
        hidden = [{name: moved(value, 0.5, rng) for name, value in points[0].items()}
                  for _ in range(HIDDEN_POINTS)]
    hidden = [_point(path, one, list(points[0]), "hidden_points") for one in hidden]
    return Reference(
        path, loss, points, hidden, _weights(path, names.get("weights", {}), list(points[0])),
        _forbidden(path, names.get("forbidden", ())), _files(path, names.get("files", ())),
        _shared(names, points[0]), _definitions(path), _accepted(path, names))


def _points(path: Path, loss: Callable[..., object],
            names: Mapping[str, object]) -> list[dict[str, Array]]:
    """Return the visible points: `points`, `parameters`, or arrays of the names `loss` takes."""
    wanted = [p.name for p in inspect.signature(loss).parameters.values()
              if p.default is p.empty and p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    given = names.get("points")
    if given is None and "parameters" in names:
        given = [names["parameters"]]
    if given is None and wanted and all(name in names for name in wanted):
        given = [{name: names[name] for name in wanted}]
    if not isinstance(given, list | tuple) or not given:
        raise InvalidArgumentError(
            f"{path}: the reference must define the point at which to mark: parameters = "
            f"{{{', '.join(f'{name!r}: ...' for name in wanted) or '...'}}}, points = [...] for "
            f"several, or arrays of these names. Got {given!r}.")
    first = given[0]
    keys = list(first) if isinstance(first, Mapping) else wanted
    return [_point(path, one, keys, "points") for one in given]


def _point(path: Path, given: object, names: list[str], what: str) -> dict[str, Array]:
    """Return a point as arrays of floating-point numbers by name."""
    if not isinstance(given, Mapping) or list(given) != names:
        raise InvalidArgumentError(
            f"{path}: {what} must hold dicts with the keys {', '.join(names)}. Got {given!r}.")
    arrays = {name: np.asarray(value) for name, value in given.items()}
    for name, array in arrays.items():
        if array.dtype.kind not in "iuf":
            raise InvalidArgumentError(
                f"{path}: {what}: {name} must be numbers. Got dtype {array.dtype}.")
    return {name: a if a.dtype.kind == "f" else a.astype(float) for name, a in arrays.items()}


def _weights(path: Path, given: Any, names: list[str]) -> dict[str, float]:
    valid = isinstance(given, Mapping) and all(
        key in names and isinstance(value, int | float) and value >= 0
        for key, value in given.items())
    if not valid:
        raise InvalidArgumentError(
            f"{path}: weights must be a dict of numbers >= 0 by parameter "
            f"({', '.join(names)}). Got {given!r}.")
    return {name: float(given.get(name, 1.0)) for name in names}


def _forbidden(path: Path, given: Any) -> tuple[str, ...]:
    if isinstance(given, str) or not all(isinstance(name, str) for name in given):
        raise InvalidArgumentError(
            f"{path}: forbidden must be a list of names such as 'numpy.linalg.inv'. "
            f"Got {given!r}.")
    short = {"np.": "numpy.", "tg.": "tinygrad_mlp."}
    longer = [next((full + name[3:] for key, full in short.items() if name.startswith(key)),
                   name if "." in name else f"*.{name}") for name in given]
    return (*FORBIDDEN, *longer)


def _accepted(path: Path, names: Mapping[str, Any]) -> dict[str, object]:
    """Return the conventions in which gradients are accepted."""
    options = checked_options(str(path), None, None, 3, 0.0, names.get("scale", 1.0),
                              names.get("ignoring", ()))
    return {"scale": options.scale, "ignoring": sorted(options.ignoring)}


def _files(path: Path, given: Any) -> list[Path]:
    files = [path.parent / name for name in given]
    for file in files:
        if not file.is_file():
            raise InvalidArgumentError(f"{path}: files names {file}, which does not exist.")
    return files


def _shared(names: Mapping[str, object], point: Mapping[str, object]) -> dict[str, object]:
    """Return the numbers and arrays of the file that a submission may use."""
    return {
        name: value for name, value in names.items()
        if not name.startswith("_") and name not in SETTINGS and name not in point
        and isinstance(value, int | float | np.ndarray | np.number)
        and np.asarray(value).dtype.kind in "biuf"}


def _definitions(path: Path) -> str:
    """Return the imports, functions and classes of a file, with their lines where they were."""
    text = path.read_text(encoding="utf-8-sig")
    kept = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)
    lines = [""] * (text.count("\n") + 1)
    whole = text.splitlines()
    for node in ast.parse(text).body:
        if isinstance(node, kept) and getattr(node, "name", "") not in SETTINGS:
            start = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
            lines[start - 1:node.end_lineno] = whole[start - 1:node.end_lineno]
    return "\n".join(lines) + "\n"
