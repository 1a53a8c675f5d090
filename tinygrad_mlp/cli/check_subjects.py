"""The things that ``tinygrad-mlp check`` is to check, found by the words of the command line."""

from __future__ import annotations

import difflib
import linecache
import os
import pkgutil
import runpy
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.autograd.graph import Value
from tinygrad_mlp.autograd.op import OPS, Op
from tinygrad_mlp.errors import DataNotFoundError, InvalidArgumentError, TinygradError
from tinygrad_mlp.verify import formulas

FORMULAS = tuple(f"formulas.{loss}" for loss in formulas.LOSSES)


def subjects_of(words: Sequence[str]) -> tuple[list[Op], list[str], list[Path]]:
    """Return the operations, the losses of formulas and the Python files that the words name.

    A word is a file, a folder, the name of an operation or a formula, or ``where:name`` of an
    operation in a file or a module. Without words, it is everything built in.
    """
    if not words:
        return list(OPS.values()), list(formulas.LOSSES), []
    operations: list[Op] = []
    losses: list[str] = []
    files: list[Path] = []
    for word in words:
        where, colon, name = word.rpartition(":")
        if os.path.isdir(word):
            found = sorted(path for path in Path(word).glob("*.py") if path.is_file())
            if not found:
                raise DataNotFoundError(
                    f"{word}: this folder has no Python files. Name another folder, or a file.")
            files += found
        elif os.path.isfile(word):
            files.append(Path(word))
        elif word in OPS:
            operations.append(OPS[word])
        elif word in FORMULAS:
            losses.append(word.partition(".")[2])
        elif colon and where:
            operations.append(_operation(where, name))
        else:
            raise _unknown(word)
    return operations, losses, files


def _unknown(word: str) -> TinygradError:
    path = Path(word).suffix or os.path.dirname(word)
    if path and "\0" not in word and not word.startswith("formulas."):
        return DataNotFoundError(f"{word}: there is no such file. Check the path.")
    return InvalidArgumentError(
        f"{word!r} is no operation and no file{_suggestion(word, [*OPS, *FORMULAS])}. Give "
        f"the name of an operation, a Python file or a folder of them, or module:name for "
        f"an operation of your own.")


def _operation(where: str, name: str) -> Op:
    """Return the operation `name` of a file or a module."""
    if where.endswith(".py"):
        if not Path(where).is_file():
            raise DataNotFoundError(f"{where}: there is no such file. Check the path.")
        names = namespace_of(Path(where))
    else:
        names = _module(where)
    op = names.get(name)
    if isinstance(op, Op):
        return op
    if name in names:
        raise InvalidArgumentError(
            f"{where}:{name} is no operation, but a {type(names[name]).__name__}. An operation is "
            f"made with @tg.op.")
    known = [key for key, value in names.items() if isinstance(value, Op)]
    own = [key for key in known if names[key] in operations_in(names)]
    raise InvalidArgumentError(
        f"{where} has no operation {name!r}{_suggestion(name, known)}. It defines "
        f"{', '.join(own) or 'none'}.")


def _module(where: str) -> dict[str, object]:
    """Return the namespace of a module in the current folder or among the installed packages."""
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())  # as `python -m` does
    try:
        namespace: dict[str, Any] = vars(pkgutil.resolve_name(where))
        return namespace
    except (Exception, SystemExit) as error:
        raise InvalidArgumentError(
            f"the module {where} cannot be imported: {type(error).__name__}: {error}. It is looked "
            f"for in the current folder and among the installed packages.") from error


def _suggestion(word: str, names: Sequence[str]) -> str:
    """Return the names that resemble a word, in brackets."""
    close = difflib.get_close_matches(word, names, n=3)
    return f" (did you mean {' or '.join(close)}?)" if close else ""


def operations_in(names: Mapping[str, object]) -> list[Op]:
    """Return the operations among the values of a namespace that are not built in, each once."""
    found = {id(op): op for op in names.values() if isinstance(op, Op)}
    return [op for op in found.values() if getattr(ops, op.name, None) is not op]


def namespace_of(path: Path) -> dict[str, object]:
    """Run a file, or the cells of a notebook, and return the names it defines."""
    try:
        if path.suffix == ".ipynb":
            return _namespace_of_notebook(path)
        return runpy.run_path(str(path), run_name="homework")
    except (Exception, SystemExit) as error:
        raise InvalidArgumentError(
            f"{path} cannot be run: {type(error).__name__}: {error} ({line_of(error, path)})."
        ) from error


def _namespace_of_notebook(path: Path) -> dict[str, object]:
    """Run each cell as a file of its own, and say which lines are no Python and are left out."""
    from tinygrad_mlp.classroom.submissions import read

    notebook = read(path.stem, path)
    if notebook.problem:
        raise ValueError(notebook.problem)
    cells: dict[str, list[str]] = {}
    for place, line in zip(notebook.places, notebook.source.splitlines(True), strict=False):
        cells.setdefault(place.partition(",")[0], []).append(line)
    names: dict[str, Any] = {"__name__": "homework"}
    for cell, lines in cells.items():
        filename, text = f"{path} {cell}", "".join(lines)
        linecache.cache[filename] = (len(text), None, lines, filename)
        exec(compile(text, filename, "exec"), names)
    if notebook.skipped:
        print(f"Not run: {'; '.join(notebook.skipped)}.\n")
    return names


def line_of(error: BaseException, path: Path) -> str:
    """Return the line of a file, or of a notebook's cell, in which an error was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename.startswith(str(path))]
    if own:
        cell = own[-1].filename.removeprefix(str(path)).strip()
        return f"{cell and cell + ', '}line {own[-1].lineno}: {own[-1].line}"
    if isinstance(error, SyntaxError):
        return f"line {error.lineno}"
    return "outside of the file"


def loss_in(path: Path, names: Mapping[str, object]) -> Any:
    """Return the loss that a file defines: a tensor, or a function of the parameters."""
    loss = names.get("loss")
    if not isinstance(loss, Value) and not callable(loss):
        raise InvalidArgumentError(
            f"{path} has no loss. It must define loss, a tensor that was computed from tensors "
            f"with requires_grad=True; or loss(W1, ...), a function of the parameters, and the "
            f"parameters themselves, as arrays of the names that loss takes.")
    return loss


@contextmanager
def loss_called(path: Path) -> Iterator[None]:
    """Let an error of a file's loss name the line of the file."""
    try:
        yield
    except TinygradError:
        raise
    except Exception as error:
        raise InvalidArgumentError(
            f"{path}: loss fails with {type(error).__name__}: {error} ({line_of(error, path)})."
        ) from error


@contextmanager
def registry_restored() -> Iterator[None]:
    """Remove the operations that files register from `OPS` again; other files use their names."""
    before = dict(OPS)
    try:
        yield
    finally:
        OPS.clear()
        OPS.update(before)
