"""Random programs of creation, stores, views, aliases and in-place operators.

A program is text, so that a failure can be read. `written` draws one, statement by statement, and
keeps those that NumPy takes. It is then run three times: with plain arrays, with complex arrays for
the derivative (a step along the imaginary axis is exact to rounding), and with tensors.
"""

from __future__ import annotations

import types
from typing import Any

import numpy

STEP = 1e-30

SHAPES = ((3,), (2, 3), (4, 2), (2, 2, 3))


def in_complex() -> Any:
    """NumPy whose creation functions make complex arrays."""
    module = types.SimpleNamespace(**{k: v for k, v in vars(numpy).items() if k[0] != "_"})
    module.zeros = lambda shape: numpy.zeros(shape, complex)
    module.ones = lambda shape: numpy.ones(shape, complex)
    module.full = lambda shape, value: numpy.full(shape, value, complex)
    module.array = lambda data: numpy.array(data, complex)
    return module


class Writer:
    """Draws statements for the variables that there are."""

    def __init__(self, rng: Any, creating: bool) -> None:
        self.rng, self.creating = rng, creating
        self.count = 0

    def pick(self, choices: Any) -> Any:
        return choices[self.rng.integers(len(choices))]

    def new(self) -> str:
        self.count += 1
        return f"v{self.count}"

    def number(self) -> str:
        return f"{self.rng.uniform(-1.5, 1.5):.2f}"

    def index(self, shape: Any) -> str:
        if not shape:
            return "..."
        n = shape[0]
        first = self.pick([
            str(self.rng.integers(-n, n)), ":", "::-1", "1:", "::2", "-2:",
            str(list(map(int, self.rng.integers(0, n, size=self.rng.integers(1, 4))))),
            f"MASK[{n}]"])
        if len(shape) > 1 and self.rng.random() < 0.5:
            second = self.pick([
                str(self.rng.integers(-shape[1], shape[1])), ":", "::-1", "..., 0", "None, 1:"])
            return f"{first}, {second}"
        return first if self.rng.random() < 0.9 else f"..., {self.pick(['0', '::-1', 'None'])}"

    def value(self, names: Any) -> str:
        name = self.pick(names)
        return self.pick([
            self.number(), f"np.sin({name})", f"{name} * {self.number()}", name,
            f"{name} + x[0]", "x[1]", "np.sum(x) * 0.3", f"np.cos({name})[::-1]"])

    def statement(self, env: dict[str, Any]) -> str:
        names = [k for k, v in env.items() if k.startswith("v") and v.ndim and v.size]
        a = self.pick(names)
        shape = env[a].shape
        kinds = ["store"] * 4 + ["view"] * 3 + ["in place"] * 3 + [
            "compute", "compute", "alias", "part in place", "at", "copyto", "out", "fill", "copy"]
        kind = self.pick(kinds + (["create"] * 3 if self.creating else []))
        operator = self.pick(["+", "-", "*"])
        if kind == "create":
            made = self.pick([
                f"np.zeros({self.pick(SHAPES)})", f"np.ones({self.pick(SHAPES)})",
                f"np.full({self.pick(SHAPES)}, {self.number()})", f"np.zeros_like({a})",
                f"np.array([[x[0], {self.number()}], [x[2], x[1]]])", f"np.ones_like({a})"])
            return f"{self.new()} = {made}"
        if kind == "view":
            made = self.pick([
                f"[{self.index(shape)}]", ".T", ".reshape(-1)", ".ravel()", ".flatten()", ".copy()",
                "[None]", f".swapaxes(0, {len(shape) - 1})", ".reshape(1, -1)", ".T.ravel()",
                ".T.reshape(-1)", ".squeeze()", "[::-1].reshape(-1)"])
            return f"{self.new()} = {a}{made}"
        if kind == "alias":
            return f"{self.new()} = {a}"
        if kind == "compute":
            return f"{self.new()} = np.sin({a}) * {self.number()} + {self.value(names)}"
        return {
            "store": f"{a}[{self.index(shape)}] = {self.value(names)}",
            "in place": f"{a} {operator}= {self.value(names)}",
            "part in place": f"{a}[{self.index(shape)}] {operator}= {self.value(names)}",
            "at": f"np.add.at({a}, {self.rng.integers(0, shape[0], size=3).tolist()}, x[1])",
            "copyto": f"np.copyto({a}, {self.value(names)}, where=MASK[{shape[-1]}])",
            "out": f"np.multiply({a}, {self.value(names)}, out={a})",
            "fill": f"{a}.fill(x[2])",
            "copy": f"{self.new()} = np.copy({a})"}[kind]


MASKS = {n: numpy.arange(n) % 2 == 0 for n in range(40)}
START = "v0 = np.sin(x) * 1.5"


def run(lines: Any, module: Any, x: Any) -> Any:
    """Execute a program, and return a weighted sum over all its variables."""
    env: dict[str, Any] = {"np": module, "x": x, "MASK": MASKS}
    exec("\n".join(lines), env)
    return env


def total(env: dict[str, Any], module: Any) -> Any:
    """A number to which every element of every variable contributes with a weight of its own."""
    result = 0.0
    for name, value in env.items():
        if name.startswith("v") and value.size < 500:
            weights = numpy.cos(numpy.arange(value.size)).reshape(value.shape)
            result = result + module.sum(value * weights)
    return result


def written(seed: int, length: int = 9) -> tuple[list[str], numpy.ndarray, bool]:
    """Draw a program, a point, and whether it creates arrays."""
    rng = numpy.random.default_rng(seed)
    creating = bool(rng.random() < 0.6)
    writer = Writer(rng, creating)
    x = rng.uniform(-1, 1, size=3)
    lines, tries = [START], 0
    while len(lines) < length and tries < 60:
        tries += 1
        env = run(lines, numpy, x)
        line = writer.statement(env)
        try:
            with numpy.errstate(all="ignore"):
                env = run([*lines, line], in_complex(), x.astype(complex))
                run([*lines, line], numpy, x)
        except (ValueError, TypeError, IndexError):
            continue
        sizes = [abs(v).max() for k, v in env.items() if k.startswith("v") and v.size]
        if max(sizes) < 1e3 and sum(v.size for k, v in env.items() if k.startswith("v")) < 400:
            lines.append(line)
    return lines, x, creating


def expected(lines: list[str], x: Any) -> tuple[float, Any]:
    """NumPy's value of a program, and its derivative by complex steps."""
    module = in_complex()
    gradient = []
    for unit in numpy.eye(len(x)):
        env = run(lines, module, x + 1j * STEP * unit)
        gradient.append(total(env, numpy).imag / STEP)
    return total(run(lines, numpy, x), numpy), numpy.array(gradient)
