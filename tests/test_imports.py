"""Imports go down only: every way to import upward is found, by import-linter or by ruff."""

from __future__ import annotations

import ast
import shutil
from pathlib import Path

import pytest

from tests import child

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "tinygrad_mlp"

SEEN_BY_IMPORT_LINTER = {
    "absolute": "from tinygrad_mlp.training import fit",
    "relative": "from ..training import fit",
    "from_the_parent": "from .. import training",
    "in_a_function": "def f():\n    from tinygrad_mlp.training import fit",
    "type_only": "from typing import TYPE_CHECKING\n"
    "if TYPE_CHECKING:\n    from tinygrad_mlp.training import fit",
    "not_type_only": "from typing import TYPE_CHECKING\n"
    "if not TYPE_CHECKING:\n    from tinygrad_mlp.training import fit",
    "else_of_type_only": "from typing import TYPE_CHECKING\n"
    "if TYPE_CHECKING:\n    pass\nelse:\n    from tinygrad_mlp.training import fit",
    "a_name_of_the_face": "from tinygrad_mlp import Tensor",
    "the_face": "import tinygrad_mlp as tg",
}
SEEN_BY_RUFF = {
    "relative": ("TID252", "from ..training import fit"),
    "importlib": ("TID251", 'import importlib\nimportlib.import_module("tinygrad_mlp.training")'),
    "sys_modules": ("TID251", 'import sys\nsys.modules["tinygrad_mlp"]'),
}


def lint_imports(folder):
    """The report of import-linter on the package in a folder."""
    code = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    done = child.python("-c", code, "--no-cache", cwd=folder, env={"COLUMNS": "400"})
    return done.returncode, done.stdout + done.stderr


def names_of(tree):
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def test_import_linter_finds_what_is_planted(tmp_path):
    shutil.copytree(
        PACKAGE, tmp_path / PACKAGE.name, ignore=shutil.ignore_patterns("__pycache__")
    )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for name, text in SEEN_BY_IMPORT_LINTER.items():
        (tmp_path / PACKAGE.name / "support" / f"planted_{name}.py").write_text(text + "\n")
    code, report = lint_imports(tmp_path)

    assert code == 1
    unseen = [name for name in SEEN_BY_IMPORT_LINTER if f"planted_{name} ->" not in report]
    assert not unseen, report


@pytest.mark.parametrize("way", SEEN_BY_RUFF)
def test_ruff_finds_what_import_linter_cannot_see(way):
    rule, text = SEEN_BY_RUFF[way]
    done = child.python(
        "-m", "ruff", "check", "--no-cache", "--output-format=concise", "--select", rule,
        "--stdin-filename", PACKAGE / "support" / "planted.py", "-", cwd=ROOT, input=text + "\n",
    )
    assert done.returncode == 1 and rule in done.stdout, done.stdout + done.stderr


def test_nothing_calls_the_import_function():
    for path in PACKAGE.rglob("*.py"):
        assert "__import__" not in names_of(ast.parse(path.read_text(encoding="utf-8"))), path


def test_a_call_of_the_import_function_is_found():
    assert "__import__" in names_of(ast.parse('m = __import__("tinygrad_mlp.training")'))
