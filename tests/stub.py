"""Writes what a type checker reads of the package: its names, and how each operation is called.

Three stubs are written from the package's own tables: ``tinygrad_mlp/__init__.pyi`` from the names
that are loaded when first used, and ``tinygrad_mlp/autograd/ops/__init__.pyi`` and that of
`tg.linalg` from the registry and from the signatures of the functions composed of operations.

``python -m tests.stub`` regenerates them; a test checks that they are up to date.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tinygrad_mlp as tg
from tinygrad_mlp.autograd import ops
from tinygrad_mlp.autograd.ops import linalg

FACE = Path(tg.__file__).with_suffix(".pyi")
OPERATIONS = Path(ops.__file__).with_suffix(".pyi")
LINEAR_ALGEBRA = Path(linalg.__file__).with_suffix(".pyi")

QUIET = """# Of numbers an operation makes an array, of anything with a Tensor in it a Tensor. The
# signature for numbers is a special case of the one for all operands:
# mypy: disable-error-code="overload-overlap\""""

HEAD = f'''from collections.abc import Sequence
from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from tinygrad_mlp.autograd.argument_types import Axis, Operand, Shape
from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.autograd.op import Op
from tinygrad_mlp.autograd.ops.linalg import namespace as linalg
from tinygrad_mlp.autograd.ops.linalg.determinants import SlogdetResult as SlogdetResult
from tinygrad_mlp.autograd.ops.linalg.spectral import EighResult as EighResult
from tinygrad_mlp.autograd.ops.products.fourier import RealSpectrum as RealSpectrum
from tinygrad_mlp.autograd.tensor import Tensor

{QUIET}

Numbers = Array | np.generic | complex | Sequence[Numbers]
Pair = tuple[int, int]
Places = Any

BUILDING_BLOCKS: tuple[str, ...]
'''


def face() -> str:
    lines = ["from tinygrad_mlp import errors as errors"]
    lines += ["from tinygrad_mlp.autograd import *"]
    lines += ["from tinygrad_mlp.autograd.ops import *"]
    lines += ["from tinygrad_mlp.support.version import __version__ as __version__"]
    for name, place in tg.LOADED_WHEN_USED.items():
        module, _, attribute = place.partition(":")
        parent, _, leaf = f"tinygrad_mlp.{module}".rpartition(".")
        source, found = (f"tinygrad_mlp.{module}", attribute) if attribute else (parent, leaf)
        lines.append(f"from {source} import {found} as {name}")
    return "\n".join(sorted(lines)) + "\n\nLOADED_WHEN_USED: dict[str, str]\n"


def operations() -> str:
    """The operations, those that are called alike together, and then the composed functions."""
    alike: dict[str, list[str]] = {}
    functions = []
    for name in sorted(ops.__all__):
        value = getattr(ops, name)
        if isinstance(value, tg.Op):
            alike.setdefault(call_of(value), []).append(name)
        elif inspect.isfunction(value):
            functions.append(signatures(name, value))
    classes = []
    for call, names in alike.items():
        kind = f"_Like{names[0].title().replace('_', '')}"
        classes.append(f"class {kind}(Op):\n{call}\n\n" + "\n".join(
            f"{name}: {kind}" for name in names))
    names = [f'"{name}"' for name in sorted(ops.__all__)]
    exported = "__all__ = [\n    " + ",\n    ".join(names) + "]"
    return "\n\n".join([HEAD.rstrip(), *classes, *functions, exported]) + "\n"


def linear_algebra() -> str:
    """`tg.linalg`: the names that are those of the operations, and the others."""
    lines, functions = ["from tinygrad_mlp.errors import LinAlgError as LinAlgError"], []
    for name in linalg.__all__:
        value = getattr(linalg, name)
        if value is getattr(ops, name, None):
            lines.append(f"from tinygrad_mlp.autograd.ops import {name} as {name}")
        elif inspect.isfunction(value):
            functions.append(signatures(name, value))
    head = """from typing import overload

from tinygrad_mlp.autograd.argument_types import Operand
from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.autograd.ops import Numbers
from tinygrad_mlp.autograd.tensor import Tensor
"""
    top, _, rest = head.partition("\n\n")
    imports = sorted([*rest.splitlines(), *lines])
    return "\n\n".join([top, "\n".join(imports), QUIET, *functions]) + "\n"


def call_of(op: tg.Op) -> str:
    """How an operation is called: its static parameters may follow the arrays by position."""
    parameters = [
        p if p.kind is p.VAR_POSITIONAL else p.replace(kind=p.POSITIONAL_OR_KEYWORD)
        for p in inspect.signature(op.forward).parameters.values()]
    arrays = [p.name for p in parameters if p.name in op.arrays]
    texts = [[shown(p, p.name in arrays, numbers) for p in parameters] for numbers in (True, False)]
    result = "tuple[{}, ...]" if op.outputs > 1 else "{}"
    return overloads("    ", "__call__", ["self"], texts, result, op.nondifferentiable)


def signatures(name: str, function: Callable[..., Any]) -> str:
    """The signatures of a function composed of operations, for numbers and for tensors."""
    signature = inspect.signature(function)
    texts = []
    for numbers in (True, False):
        parts, starred = [], False
        for p in signature.parameters.values():
            if p.kind is p.KEYWORD_ONLY and not starred:
                parts.append("*")
            starred |= p.kind in (p.KEYWORD_ONLY, p.VAR_POSITIONAL)
            parts.append(shown(p, "Operand" in p.annotation, numbers))
        texts.append(parts)
    result = str(signature.return_annotation).replace("Any", "{}").replace("Array", "{}")
    return overloads("", name, [], texts, result, texts[0] == texts[1])


def shown(p: inspect.Parameter, is_array: bool, numbers: bool) -> str:
    """A parameter as in a stub; an array is made of numbers only, or may have a Tensor in it."""
    kind = p.annotation
    if is_array:
        kind = kind.replace("Operand", "Array").replace("Any", "Array")
        kind = kind.replace("Array", "Numbers" if numbers else "Operand")
    star = "*" if p.kind is p.VAR_POSITIONAL else ""
    return f"{star}{p.name}: {kind}" + (" = ..." if p.default is not p.empty else "")


def overloads(indent: str, name: str, first: list[str], texts: list[list[str]], result: str,
              one: bool) -> str:
    """One signature, or two: of numbers, and of operands."""
    lines = []
    for text, kind in zip(texts, ("Array", "Tensor"), strict=True):
        if one:
            text, kind = texts[1], "Array" if "{}" in result and first else "Any"
        made = f"{indent}def {name}({', '.join([*first, *text])}) -> {result.format(kind)}: ..."
        lines += [made] if one else [f"{indent}@overload", made]
        if one:
            break
    return "\n".join(lines)


STUBS = {FACE: face, OPERATIONS: operations, LINEAR_ALGEBRA: linear_algebra}

if __name__ == "__main__":
    for path, text in STUBS.items():
        path.write_text(text())
        print(f"Wrote {path}")
