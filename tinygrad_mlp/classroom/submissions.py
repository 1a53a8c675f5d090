"""The files of a class: programs and notebooks, one for each student."""

from __future__ import annotations

import ast
import io
import json
import tokenize
from collections import Counter
from collections.abc import Iterable, Iterator
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from tinygrad_mlp.errors import DataNotFoundError, InvalidArgumentError

SUFFIXES = (".py", ".ipynb")

LARGEST = 10 * 2**20
"""Bytes of the largest file that is read."""

FORBIDDEN = ("torch", "jax", "tensorflow", "autograd", "mygrad", "numdifftools", "sympy",
             "tinygrad_mlp.grad", "tinygrad_mlp.vjp", "tinygrad_mlp.jvp", "tinygrad_mlp.jacobian",
             "tinygrad_mlp.value_and_grad", "tinygrad_mlp.hessian", "tinygrad_mlp.hvp",
             "tinygrad_mlp.Tensor", "tinygrad_mlp.compat", "scipy.optimize.approx_fprime",
             "scipy.differentiate")
"""Names by which a derivation would not be one by hand; a module forbids what it holds."""


class Submission(NamedTuple):
    """One student's program.

    Attributes:
        name: the student's name: that of the file, or of the folder it is in.
        path: the file.
        source: the program; of a notebook, its cells one after the other.
        places: for each line of `source`, where the student finds it, such as ``"cell 2, line 1"``.
        skipped: the places of a notebook's magics and shell lines, which are not run.
        extra: further files of the student, which the program may read.
        problem: why there is no program, or empty.
    """

    name: str
    path: Path
    source: str
    places: list[str]
    skipped: list[str]
    extra: list[Path]
    problem: str = ""

    def place(self, line: int) -> str:
        """Return where the student finds a line of `source`."""
        return self.places[line - 1] if 0 < line <= len(self.places) else f"line {line}"


def submissions(paths: Iterable[Path], exclude: Iterable[Path]) -> list[Submission]:
    """Return the programs among files and folders, without those to `exclude`, by name.

    In a folder, each program is one student's, and each folder in it that holds programs, as
    learning platforms export them.

    Raises:
        DataNotFoundError: there is none.
    """
    left_out = {path.resolve() for path in exclude}
    found: list[Submission] = []
    for path in paths:
        if path.is_file():
            found.append(read(path.stem, path))
            continue
        for entry in sorted(path.iterdir()):
            if entry.name.startswith((".", "__")) or entry.resolve() in left_out:
                continue
            if entry.is_symlink():
                found += [read(entry.stem, entry)] if entry.suffix in SUFFIXES else []
            elif entry.is_dir():
                found += _of_folder(entry, left_out)
            elif entry.suffix in SUFFIXES and entry.is_file():
                found.append(read(entry.stem, entry))
    if not found:
        listed = ", ".join(map(str, paths))
        raise DataNotFoundError(
            f"{listed}: expected Python files, notebooks, or folders that hold them. Got none.")
    return _with_names_of_their_own(found)


def _of_folder(folder: Path, left_out: set[Path]) -> list[Submission]:
    """Return the submission of a student's folder: of its programs, the one with `derived`."""
    files = [path for path in sorted(folder.rglob("*"))
             if path.is_file() and not path.is_symlink() and path.resolve() not in left_out
             and not any(part.startswith((".", "__")) for part in path.relative_to(folder).parts)]
    programs = [path for path in files if path.suffix in SUFFIXES]
    if not programs:
        return []
    read_ones = [read(folder.name, path) for path in programs]
    chosen = [one for one in read_ones if _defines(one.source, "derived")] or read_ones
    if len(chosen) > 1 and len({one.source for one in chosen}) > 1:
        names = ", ".join(str(one.path.relative_to(folder)) for one in chosen)
        problem = f"several files could be the derivation: {names}. Keep one"
        return [chosen[0]._replace(problem=problem)]
    others = [path for path in files if path.parent == chosen[0].path.parent
              and path != chosen[0].path and path.stat().st_size <= LARGEST]
    return [chosen[0]._replace(extra=others)]


def _with_names_of_their_own(found: list[Submission]) -> list[Submission]:
    """Return submissions with different names: two of one name are told apart by their files."""
    for path_of in (attrgetter("path.name"), attrgetter("path")):
        seen = Counter(one.name for one in found)
        found = [one if seen[one.name] == 1 else one._replace(
            name=f"{one.name.partition(' (')[0]} ({path_of(one)})") for one in found]
    return found


def read(name: str, path: Path) -> Submission:
    """Return the submission in a file; what is wrong with the file is its `problem`."""
    places: list[str] = []
    try:
        if path.is_symlink():
            raise InvalidArgumentError("it is a link, and those are not followed")
        if path.stat().st_size > LARGEST:
            raise InvalidArgumentError(f"it is larger than {LARGEST // 2**20} MB")
        text = _text(path.read_bytes())
        if path.suffix == ".ipynb":
            source, places, skipped = _cells(text)
        else:
            source, skipped = text, []
            places = [f"line {i}" for i in range(1, text.count("\n") + 2)]
        ast.parse(source)
    except SyntaxError as error:
        number = error.lineno or 0
        where = places[min(number, len(places)) - 1] if places else f"line {number}"
        problem = f"this is no Python: {error.msg}{f' ({where})' if number else ''}"
    except UnicodeDecodeError:
        problem = "the file is not in UTF-8; save it as UTF-8"
    except json.JSONDecodeError as error:
        problem = f"the file is no notebook: {error}"
    except (OSError, ValueError, KeyError, TypeError, RecursionError, MemoryError) as error:
        problem = f"the file cannot be read: {error}"
    else:
        return Submission(name, path, source, places, skipped, [])
    return Submission(name, path, "", [], [], [], problem)


def _text(data: bytes) -> str:
    """Return a file as text, in the encoding that the program declares."""
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
    except SyntaxError:
        encoding = "utf-8"
    return io.TextIOWrapper(io.BytesIO(data), encoding).read()


def _cells(text: str) -> tuple[str, list[str], list[str]]:
    """Return a notebook's program, the place of each of its lines, and of those left out."""
    lines: list[str] = []
    places: list[str] = []
    skipped: list[str] = []
    document = json.loads(text)
    cells = [cell for cell in document["cells"] if cell.get("cell_type") == "code"]
    for number, cell in enumerate(cells, 1):
        written = cell["source"]
        written = written if isinstance(written, str) else "".join(written)
        whole = written.lstrip().startswith("%%")  # a magic of the whole cell
        for i, line in enumerate(written.splitlines(), 1):
            place = f"cell {number}, line {i}"
            if whole or line.lstrip().startswith(("%", "!", "?")):
                skipped.append(place)
                indent = line[:len(line) - len(line.lstrip())]
                line = f"{indent}pass  # {line.strip()}"
            lines.append(line)
            places.append(place)
    return "\n".join(lines) + "\n", places, skipped


def _defines(source: str, name: str) -> bool:
    """Return whether a program defines a name at its top level."""
    return any(
        getattr(node, "name", None) == name
        or (isinstance(node, ast.Assign) and name in (ast.unparse(t) for t in node.targets))
        for node in ast.parse(source).body) if source else False


def forbidden_uses(source: str, forbidden: Iterable[str]) -> Iterator[tuple[int, str]]:
    """Yield line and name of each use of a forbidden name in a program; ``*.inv`` is any `inv`.

    Imports are followed by name (``import tinygrad_mlp as tg`` makes ``tg.grad`` a use of
    ``tinygrad_mlp.grad``). A program that hides what it calls is not found out.
    """
    names = {name.removeprefix("*."): name.startswith("*.") for name in forbidden}
    nodes = list(ast.walk(ast.parse(source)))
    meaning: dict[str, str] = {}
    for node in nodes:
        for alias, full in _imported(node):
            top = full if alias.asname else full.partition(".")[0]
            meaning[alias.asname or alias.name.partition(".")[0]] = (
                full if isinstance(node, ast.ImportFrom) else top)
    for node in nodes:
        used = [full for _, full in _imported(node)]
        if isinstance(node, ast.Attribute):
            used = [_dotted(node, meaning)]
        if isinstance(node, ast.Name):
            used = [f"?.{node.id}"]
        for one in used:
            for name, anywhere in names.items():
                last = one.rpartition(".")[2]
                if f"{one}.".startswith(f"{name}.") or (anywhere and last == name):
                    yield getattr(node, "lineno", 0), name


def _imported(node: ast.AST) -> list[tuple[ast.alias, str]]:
    """Return what a statement imports, with its full names."""
    if isinstance(node, ast.Import):
        return [(alias, alias.name) for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module:
        return [(alias, f"{node.module}.{alias.name}") for alias in node.names]
    return []


def _dotted(node: ast.expr, meaning: dict[str, str]) -> str:
    """Return the name that an attribute of an imported module stands for."""
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value, meaning)}.{node.attr}"
    return meaning.get(node.id, "?") if isinstance(node, ast.Name) else "?"
