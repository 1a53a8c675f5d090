"""Finds what one has to read to understand ``tanh(x).sum().backward()``, and measures it.

The reading path of these statements is every module of the package in which they execute a
function, and every module that those import names from at run time. Nothing is left out that a
reader may be sent to:

- the modules that execute are found by running the statements in a fresh process under
  `sys.setprofile`;
- what they import is read from their source, imports in functions included, and only those under
  `TYPE_CHECKING` left out. ``from package import name`` counts as the module `package.name` where
  there is one, else as the package's ``__init__``;
- a module counts as a whole, with its docstrings, comments and blank lines left out.

``python -m tests.reading_path`` prints it.
"""

from __future__ import annotations

import ast
import json
from pathlib import Path

import tinygrad_mlp
from tests import child
from tests.house import lines_of_code

PACKAGE = Path(tinygrad_mlp.__file__).parent

STATEMENTS = """
import json, sys
from tinygrad_mlp import Tensor, tanh

files = []

def note(frame, event, argument):
    name = frame.f_code.co_filename
    if event == "call" and name not in files:
        files.append(name)

sys.setprofile(note)
x = Tensor([0.5, -1.0], requires_grad=True)
tanh(x).sum().backward()
sys.setprofile(None)
assert x.grad is not None
print(json.dumps(files))
"""


def executed() -> list[Path]:
    """The modules of the package in which the statements execute a function, in that order."""
    done = child.python("-c", STATEMENTS, check=True, cwd=PACKAGE.parent)
    files = map(Path, json.loads(done.stdout))
    return [file for file in files if file.is_relative_to(PACKAGE)]


def imported(file: Path) -> set[Path]:
    """The modules of the package that a module imports names from at run time."""
    return set(_imports(ast.parse(file.read_text(encoding="utf-8")).body, file))


def _imports(nodes: list[ast.AST], file: Path) -> list[Path]:
    found: list[Path] = []
    for node in nodes:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            found += _imports(list(node.orelse), file)
        elif isinstance(node, ast.Import):
            found += [_file(alias.name) for alias in node.names if _is_ours(alias.name)]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: imports of the package are absolute"
            if _is_ours(node.module or ""):
                for alias in node.names:
                    below = _file(f"{node.module}.{alias.name}")
                    found.append(below if below.exists() else _file(node.module or ""))
        else:
            found += _imports(list(ast.iter_child_nodes(node)), file)
    return found


def _is_ours(module: str) -> bool:
    return module.partition(".")[0] == PACKAGE.name


def _file(module: str) -> Path:
    path = PACKAGE.parent.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def reading_path() -> dict[str, int]:
    """The modules, by their path in the package, and their lines of code."""
    files = executed()
    every = sorted({*files, *(other for file in files for other in imported(file))})
    return {
        file.relative_to(PACKAGE).as_posix(): lines_of_code(file.read_text(encoding="utf-8"))
        for file in every
    }


if __name__ == "__main__":
    lengths = reading_path()
    for name, lines in lengths.items():
        print(f"{lines:5} {name}")
    print(f"{sum(lengths.values()):5} in {len(lengths)} modules")
