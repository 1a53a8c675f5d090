"""Counts of what makes the package easy or hard to find one's way in.

``python -m tests.house`` prints one table for this project, ``python -m tests.house FOLDER`` for
another copy of it. It records the counts and judges none of them.
"""

from __future__ import annotations

import ast
import io
import json
import re
import sys
import tokenize
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import grimp
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from tests import child

ROOT = Path(__file__).parents[1]
PACKAGE = "tinygrad_mlp"
FILE_LINES = 300
COMPLEXITY = 10
SHOWN = 10
"""The number of items of a kind that are listed by name."""

BUDGETS = {
    "support": 520, "autograd": 2900, "autograd/ops": 6300, "nn": 1850, "optim": 1150, "stats": 300,
    "compat": 380, "data": 1040, "program": 3300, "training": 1850, "explanation": 2600,
    "drawing": 1100,
    "plotting": 1250, "verify": 4250, "neural_network.py": 430, "saving": 1850,
    "estimators": 1350, "reporting": 980, "classroom": 1250, "cli": 2500, "": 35000,
}
"""Lines that each folder is planned to have; `autograd` is counted without its operations."""

QUESTIONS = ("What ", "How ", "Whether ", "Which ")
THE_DOCUMENT = re.compile(r"\bthe\s+document\b", re.IGNORECASE)
NOT_CODE = {
    tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT,
    tokenize.ENDMARKER,
}


@dataclass
class Source:
    """One file of the package, read once."""

    name: str
    text: str
    tree: ast.Module

    @cached_property
    def nodes(self) -> list[ast.AST]:
        """All that its text is made of."""
        return list(ast.walk(self.tree))

    @property
    def lines(self) -> int:
        """The number of its lines."""
        return len(self.text.splitlines())

    @cached_property
    def code(self) -> int:
        """The number of its lines of code."""
        return lines_of_code(self.text)

    @property
    def folder(self) -> str:
        """The row of the table of lines to which it belongs."""
        first, *rest = self.name.split("/")
        return "autograd/ops" if first == "autograd" and rest[0] == "ops" else first


def lines_of_code(text: str) -> int:
    """Count the lines that are neither docstring nor comment nor blank."""
    strings = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            if isinstance(node.value.value, str):
                strings.update(range(node.lineno, node.end_lineno + 1))
    code = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in NOT_CODE:
            code.update(range(token.start[0], token.end[0] + 1))
    return len(code - strings)


def sources(root: Path) -> list[Source]:
    """Read every Python file of the package."""
    package = root / PACKAGE
    found = []
    for path in sorted(package.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        found.append(Source(path.relative_to(package).as_posix(), text, ast.parse(text)))
    return found


def repeated(pairs: list[tuple[str, str]]) -> dict[str, list[str]]:
    """Return the names that occur more than once, with the places."""
    often = [name for name, count in Counter(name for name, _ in pairs).items() if count > 1]
    return {name: [place for other, place in pairs if other == name] for name in sorted(often)}


def class_names(files: list[Source]) -> list[tuple[str, str]]:
    """Return each class with its file."""
    return [
        (node.name, file.name)
        for file in files
        for node in file.nodes
        if isinstance(node, ast.ClassDef)
    ]


def file_names(files: list[Source]) -> list[tuple[str, str]]:
    """Return each file's own name with its place; every package has an ``__init__.py``."""
    pairs = [(file.name.rpartition("/")[2], file.name) for file in files]
    return [(name, place) for name, place in pairs if name != "__init__.py"]


def loose_modules(files: list[Source]) -> list[str]:
    """Return the modules that lie beside the packages, in no folder."""
    loose = [file.name for file in files if "/" not in file.name]
    return [name for name in loose if not name.startswith("__")]


def functions(files: list[Source]) -> list[tuple[int, str]]:
    """Return the length and name of every function, the longest first."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    found = [
        (node.end_lineno - node.lineno + 1, f"{file.name}: {node.name}")
        for file in files
        for node in file.nodes
        if isinstance(node, kinds)
    ]
    return sorted(found, reverse=True)


def annotations(files: list[Source]) -> list[ast.expr]:
    """Return the types of all parameters and results that have one."""
    found = []
    for file in files:
        for node in file.nodes:
            if isinstance(node, ast.arg):
                found.append(node.annotation)
            elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                found.append(node.returns)
    return [each for each in found if each is not None]


def has_any(annotation: ast.expr) -> bool:
    """Return whether a type leaves something open as `Any`."""
    return any(isinstance(n, ast.Name) and n.id == "Any" for n in ast.walk(annotation))


def complex_functions(root: Path) -> list[str]:
    """Return the functions whose cyclomatic complexity is over the limit, as ruff counts it."""
    command = [
        "-m", "ruff", "check", "--isolated", "--no-cache", "--exit-zero",
        "--select", "C901",
        "--config", f"lint.mccabe.max-complexity={COMPLEXITY}", "--output-format", "json",
        str(root / PACKAGE),
    ]
    done = child.python(*command, check=True)
    found = []
    for fault in json.loads(done.stdout):
        name, complexity = re.search(r"`(.+)` is too complex \((\d+)", fault["message"]).groups()
        place = Path(fault["filename"]).relative_to((root / PACKAGE).resolve()).as_posix()
        found.append((int(complexity), f"{place}: {name}"))
    return [f"{name} ({complexity})" for complexity, name in sorted(found, reverse=True)]


def questions(files: list[Source]) -> list[str]:
    """Return the docstrings that begin like a question, attributes' docstrings among them."""
    found = []
    for file in files:
        for node in file.nodes:
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
                text = node.value.value
                if isinstance(text, str) and text.lstrip().startswith(QUESTIONS):
                    found.append(f"{file.name}:{node.lineno}")
    return found


def the_document(root: Path) -> dict[str, int]:
    """Count how often each part of the project speaks of the document."""
    found = {}
    for part in (PACKAGE, "docs", "README.md", "examples", "tests"):
        path = root / part
        paths = [path] if path.is_file() else [*path.rglob("*.py"), *path.rglob("*.md")]
        texts = [p.read_text(encoding="utf-8") for p in paths if p.name != "house.py"]
        found[part] = sum(len(THE_DOCUMENT.findall(text)) for text in texts)
    return found


# -- imports --------------------------------------------------------------------------------------


def import_graph(root: Path) -> grimp.ImportGraph:
    """Build the graph of imports, those in functions and for type checkers included."""
    sys.path.insert(0, str(root))
    try:
        return grimp.build_graph(PACKAGE, cache_dir=None)
    finally:
        sys.path.remove(str(root))


def module_cycles(graph: grimp.ImportGraph) -> list[list[str]]:
    """Return the groups of modules that import each other in a circle, the largest first."""
    modules = sorted(graph.modules)
    number = {module: i for i, module in enumerate(modules)}
    edges = [
        (number[module], number[other])
        for module in modules
        for other in graph.find_modules_directly_imported_by(module)
    ]
    rows, columns = zip(*edges, strict=True)
    shape = (len(modules), len(modules))
    matrix = coo_array(([1] * len(edges), (rows, columns)), shape=shape)
    _, labels = connected_components(matrix, connection="strong")
    groups: dict[int, list[str]] = {}
    for module, label in zip(modules, labels, strict=True):
        groups.setdefault(label, []).append(module.removeprefix(f"{PACKAGE}."))
    return sorted((g for g in groups.values() if len(g) > 1), key=len, reverse=True)


def folder_cycles(graph: grimp.ImportGraph) -> list[str]:
    """Return, for each package with a circle among its children, the imports that close it."""
    found = []
    for module in sorted(graph.modules):
        if graph.find_children(module):
            for start, end in sorted(graph.nominate_cycle_breakers(module)):
                found.append(f"{module}: .{start[len(module) + 1:]} → .{end[len(module) + 1:]}")
    return found


# -- the table ------------------------------------------------------------------------------------


def lines_by_folder(files: list[Source]) -> Iterator[str]:
    """Yield the table of lines, lines of code and planned lines."""
    folders: dict[str, list[Source]] = {}
    for file in files:
        folders.setdefault(file.folder, []).append(file)
    yield f"{'folder':<20}{'files':>7}{'lines':>8}{'plan':>8}{'of code':>9}"
    for name, members in [*sorted(folders.items()), ("", files)]:
        lines, code = sum(f.lines for f in members), sum(f.code for f in members)
        plan = BUDGETS.get(name, "")
        yield f"{name or 'all':<20}{len(members):>7}{lines:>8}{plan:>8}{code:>9}"


def listed(title: str, items: list[str], shown: int = SHOWN) -> Iterator[str]:
    """Yield a line with the number of the items, and then the first of them."""
    yield f"{title:<52}{len(items):>6}"
    yield from (f"    {item}" for item in items[:shown])
    if len(items) > shown:
        yield f"    and {len(items) - shown} more"


def reading_path(root: Path) -> Iterator[str]:
    """Yield the files that one backward pass goes through, where the project can find them."""
    if not (root / "tests" / "reading_path.py").exists():
        return
    done = child.python("-m", "tests.reading_path", cwd=root)
    yield "the reading path of tanh(x).sum().backward()"
    yield from (f"    {line}" for line in (done.stdout or done.stderr).splitlines())


def table(root: Path) -> Iterator[str]:
    """Yield the lines of the whole table."""
    files, graph = sources(root), import_graph(root)
    yield from listed("loose modules", loose_modules(files), 30)
    circles = module_cycles(graph)
    yield from listed("circles of modules that import each other", [
        f"{len(circle)}: {', '.join(circle)}" for circle in circles
    ])
    yield from listed("imports that close a circle between siblings", folder_cycles(graph), 40)
    for title, pairs in (("class", class_names(files)), ("file", file_names(files))):
        places = [f"{name}: {', '.join(where)}" for name, where in repeated(pairs).items()]
        yield from listed(f"{title} names used more than once", places, 40)
    types = annotations(files)
    open_types = sum(map(has_any, types))
    yield f"{'types of parameters and results with Any':<52}{open_types:>6}"
    yield f"    of {len(types)}"
    long = [f"{lines:>4}  {name}" for lines, name in functions(files)]
    yield from listed("functions, the longest first", long)
    large = sorted(((f.lines, f.name) for f in files if f.lines > FILE_LINES), reverse=True)
    large = [f"{lines:>4}  {name}" for lines, name in large]
    yield from listed(f"files over {FILE_LINES} lines", large, 60)
    yield from listed(f"functions over complexity {COMPLEXITY}", complex_functions(root), 60)
    yield from listed("docstrings that begin What, How, Whether, Which", questions(files), 0)
    mentions = the_document(root)
    where = ", ".join(f"{part} {count}" for part, count in mentions.items())
    yield f"{'occurrences of “the document”':<52}{sum(mentions.values()):>6}"
    yield f"    {where}"
    yield from reading_path(root)
    yield ""
    yield from lines_by_folder(files)


if __name__ == "__main__":
    print(*table(Path(*sys.argv[1:2] or [ROOT]).resolve()), sep="\n")
