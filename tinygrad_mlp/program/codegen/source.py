"""NumPy source code of a program: one function, one line an operation, names from the network."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.op import OPS
from tinygrad_mlp.program.blas_ops import accumulate, product
from tinygrad_mlp.program.codegen.hoisting import hoisted
from tinygrad_mlp.program.instructions import Instruction, Number, Variable, is_generator
from tinygrad_mlp.program.kernel import kernel_of, literal
from tinygrad_mlp.program.program import Program, naming

BLAS_LETTER = {"float32": "s", "float64": "d"}
"""What BLAS's functions for a dtype begin with."""
SMALL = 8
"""Elements up to which a constant array is written out."""


class NumPySource:
    """The source code of a program, and what it needs.

    Attributes:
        text: the code. It runs on its own, but for what `given` names.
        given: what source code cannot hold (a random generator, a large constant), by name.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self.names = naming(program)
        self.given: dict[str, Any] = {}
        self._imports: set[str] = set()
        self._constants: dict[int, tuple[str, str, Any]] = {}
        self._inputs = set(program.inputs)
        for line in program.instructions:
            if line.into in self._inputs:
                self.names[line.results[0]] = self.names[line.into]
        self.text = self._written()

    def _written(self) -> str:
        self._instructions = self._body()
        return self._function(self._instructions, [])

    def _running(self) -> str:
        """The code as it runs: functions are looked up beforehand."""
        constants = (name for name, *_ in self._constants.values())
        taken = {*self.names.values(), *self.given, *constants}
        before, lines = hoisted(self._instructions, set(), taken)
        return self._function(lines, before)

    def _function(self, body: list[str], before: list[str]) -> str:
        program = self.program
        arguments = ", ".join(self.names[v] for v in program.inputs)
        return "\n".join(
            [
                *self._header(),
                *before,
                "",
                f"def {program.name}({arguments}):",
                *(f"    # {self.names[v]}: {_shape(v)}, {v.label.kind}" for v in program.inputs),
                *(f"    {text}" for text in body),
                f"    return ({self._tuple(self.returned())})",
                "",
            ]
        )

    def _body(self) -> list[str]:
        """The lines of all instructions."""
        return [text for line in self.program.instructions for text in self._lines(line)]

    def _tuple(self, variables: Iterable[Any]) -> str:
        names = [self._operand(v) for v in variables]
        return ", ".join(names) + ("," if len(names) == 1 else "")

    def returned(self) -> list[Any]:
        """What the function returns: the variables among the results and the updated values."""
        everything = [*self.program.results, *(update.value for update in self.program.updates)]
        return [a for a in everything if isinstance(a, Variable)]

    def compiled(self) -> Callable[..., Any]:
        """The function itself."""
        import linecache

        text = self._running()
        filename = f"<program {self.program.name} {id(self):x}>"
        # So that tracebacks and profilers show the lines.
        linecache.cache[filename] = (len(text), None, text.splitlines(True), filename)
        scope = dict(self.given)
        exec(compile(text, filename, "exec"), scope)
        function: Callable[..., Any] = scope[self.program.name]
        return function

    # -- the parts -----------------------------------------------------------------------------

    def _header(self) -> list[str]:
        lines = ["import numpy as np", *sorted(self._imports)]
        lines = [
            *(line for line in lines if line == "import math"),
            *(line for line in lines if line != "import math"),
        ]
        lines += [f"# given: {name}, {_what(value)}" for name, value in self.given.items()
                  if not callable(value)]  # fmt: skip
        if self._constants or self.program.buffers:
            lines.append("")
        for name, text, _ in self._constants.values():
            if text:
                lines.append(f"{name} = {text}")
        for v in self.program.buffers:
            lines.append(f"{self.names[v]} = np.empty({v.shape}, np.{v.dtype})")
        return lines

    def _lines(self, line: Instruction) -> list[str]:
        if self._inlined(line):
            return []
        results = ", ".join(self.names[r] for r in line.results)
        text = f"{results} = {self._call(line)}"
        text = f"{text:<60}  # {_shape(line.results[0])}"
        lines = [text]
        for result in line.results:
            if result in self.program.required:
                self._imports.add("import math")
                lines += [f"if not math.isfinite({self.names[result]}):",
                          f"    raise FloatingPointError({self.names[result]})"]  # fmt: skip
        return lines

    def _inlined(self, line: Instruction) -> bool:
        """Transposes are written where they are used: ``W1.T``."""
        matrix = line.op.name == "transpose" and line.static["axes"] is None
        swapped = line.op.name == "swapaxes" and set(line.static.values()) == {-1, -2}
        if (matrix or swapped) and isinstance(line.operands[0], Variable):
            short = "T" if matrix or len(line.results[0].shape) == 2 else "mT"
            self.names[line.results[0]] = f"{self._operand(line.operands[0])}.{short}"
            return True
        return False

    def _call(self, line: Instruction) -> str:
        if line.op is accumulate:
            return self._accumulate(line)
        if line.op is product:
            return self._product(line)
        kernel = kernel_of(line.op)
        names = [self._operand(o) for o in line.operands]
        operands = (
            {line.op.arrays[0]: f"[{', '.join(names)}]"}
            if line.op.variadic
            else dict(zip(line.op.arrays, names, strict=True))
        )
        text = None
        if line.into is not None:
            out = self.names[line.into]
            text = kernel.call(operands, line.static, out)
            if text and line.op.name == "matmul" and _of_matrices(line):
                # The same product; `np.matmul` takes twice as long to find that out.
                text = f"{names[0]}.dot({names[1]}, out={out})"
        elif line.op.name == "matmul" and all(len(_shape_of(o)) == 1 for o in line.operands):
            text = f"{names[0]}.dot({names[1]})"
        if text is None:
            text = kernel.text(operands, line.static)
        if text is None:
            return self._opaque(line, names)
        if "special." in text:
            self._imports.add("from scipy import special")
        if "math." in text:
            self._imports.add("import math")
        number = line.results[0].dtype is None and not line.op.outputs > 1
        return f"float({text})" if number and "np." in text else text

    def _opaque(self, line: Instruction, names: list[str]) -> str:
        """A call of an operation whose forward function is more than an expression."""
        name = re.sub(r"\W+", "_", line.op.name)  # a lambda is called <lambda>
        if OPS.get(name) is line.op and name not in self.names.values():
            self._imports.add(f'from tinygrad_mlp import OPS; {name} = OPS["{name}"].forward')
        else:
            while self.given.get(name, line.op.forward) is not line.op.forward or (
                name in OPS or name in self.names.values()
            ):
                name += "_"
            self.given[name] = line.op.forward
        given = list(names)
        for key, value in line.static.items():
            given.append(f"{key}={self._literal(value)}")
        return f"{name}({', '.join(given)})"

    def _accumulate(self, line: Instruction) -> str:
        self._imports.add("from scipy.linalg import blas")
        c, alpha, a, b = line.operands
        assert line.results[0].dtype is not None
        letter = BLAS_LETTER[line.results[0].dtype.name]
        names = [self._operand(o) for o in line.operands]
        in_place = int(line.into is not None)
        if a.shape[1] == 1:
            return (
                f"blas.{letter}ger({names[1]}, {names[3]}[0], {_flat(names[2])}, "
                f"a={names[0]}.T, overwrite_a={in_place}).T"
            )
        into = f"beta=1, c={names[0]}.T, "
        return self._gemm(line, names[1], names[2], names[3], into, in_place)

    def _product(self, line: Instruction) -> str:
        into = "" if line.into is None else f"beta=0, c={self.names[line.into]}.T, "
        a, b = map(self._operand, line.operands)
        return self._gemm(line, "1", a, b, into, int(line.into is not None))

    def _gemm(
        self, line: Instruction, alpha: str, a: str, b: str, into: str, in_place: int
    ) -> str:
        """``C + s A B``. Column by column, as BLAS has it, everything is transposed:
        ``Cᵀ + s Bᵀ Aᵀ``. What is a transpose already is handed over as it lies in memory, with the
        word to transpose it."""
        self._imports.add("from scipy.linalg import blas")
        assert line.results[0].dtype is not None
        letter = BLAS_LETTER[line.results[0].dtype.name]
        left, trans_a = _as_columns(b)
        right, trans_b = _as_columns(a)
        text = f"blas.{letter}gemm({alpha}, {left}, {right}, {into}"
        return f"{text}trans_a={trans_a}, trans_b={trans_b}, overwrite_c={in_place}).T"

    def _operand(self, a: Any) -> str:
        if isinstance(a, Variable):
            return self.names[a]
        if a is None or type(a) in Number:
            if isinstance(a, float) and not math.isfinite(a):
                return f'float("{a}")'
            return repr(a)
        known = self._constants.get(id(a))
        if known is None:
            array = np.asarray(a)
            name = f"c{len(self._constants) + 1}"
            while name in self.names.values():
                name += "_"
            text = ""
            first = array.flat[0].item() if array.size else 0
            if array.size > 1 and (array == first).all():
                text = f"np.full({array.shape}, {first!r}, np.{array.dtype})"
            elif array.size <= SMALL and np.isfinite(array).all():
                text = f"np.array({array.tolist()}, np.{array.dtype})"
            else:
                self.given[name] = array
            known = self._constants[id(a)] = name, text, a
        return known[0]

    def _literal(self, value: Any) -> str:
        try:
            return literal(value)
        except LookupError:
            for name, known in self.given.items():
                if known is value:
                    return name
            name = "rng" if is_generator(value) else "given"
            name = f"{name}{sum(n.startswith(name) for n in self.given) + 1}"
            self.given[name] = value
            return name


def numpy_source(program: Program) -> str:
    """Return a program as NumPy source code, which runs on its own."""
    return NumPySource(program).text


def _shape(variable: Variable) -> str:
    return "number" if variable.dtype is None else str(variable.shape)


def _what(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}, {value.dtype}"
    return f"a {type(value).__name__}"


def _shape_of(a: Any) -> tuple[int, ...]:
    return a.shape if isinstance(a, Variable) else np.shape(a)


def _of_matrices(line: Instruction) -> bool:
    """Whether a product is of vectors and matrices and not of stacks of them."""
    return all(1 <= len(_shape_of(o)) <= 2 for o in line.operands)


def _as_columns(name: str) -> tuple[str, int]:
    return (name, 1) if name.endswith(".T") else (f"{name}.T", 0)


def _flat(name: str) -> str:
    return f"{name[:-2]}[0]" if name.endswith(".T") else f"{name}[:, 0]"
