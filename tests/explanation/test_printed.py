"""The printed text itself, read back and computed: a second reader who knows only what is printed.

`Equation.evaluate` and the printer share one structure, but brackets and signs are the printer's
alone. So here the plain text is parsed by the usual rules of mathematics and evaluated from the
leaves on, with nothing but names and arrays.
"""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

import tinygrad_mlp as tg
from tests.every_sample import every_sample

TOKEN = re.compile(
    r"\s*(?:(\d+(?:\.\d+)?(?:e[+-]?\d+)?)|([½⅓¼⅔¾])|(L(?:Re|RE)LU_[\d.]+|∂L/∂\w+|bar\(\w+\)|"
    r"(?![²³¹⁰⁴-⁹])[^\W\d_][A-Za-z0-9_\u0304]*)|([²³¹⁰⁴-⁹⁻]+)|(.))"
)
VULGAR = dict(zip("½⅓¼⅔¾", (1 / 2, 1 / 3, 1 / 4, 2 / 3, 3 / 4), strict=True))
DIGITS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
ENDS = (")", "]", "|", "‖", "+", "−", "⊙", "/", ",", "=", "<", ">", "≤", "≥", "≠", "∧", "∨", None)
FUNCTIONS = {
    "tanh": np.tanh, "sin": np.sin, "cos": np.cos, "ln": np.log, "sign": np.sign,
    "g": special.expit, "σ": special.expit, "sigmoid": special.expit,
    "ReLU": lambda x: np.maximum(x, 0),
    "LReLU_0.01": lambda x: np.where(x > 0, x, 0.01 * x), "erf": special.erf,
    "GELU": lambda x: x * (1 + special.erf(x / np.sqrt(2))) / 2,
    "softmax": lambda x: np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True),
    "diag": lambda x: np.diag(np.ravel(x)), "max": np.maximum, "min": np.minimum,
}
COMPARISONS = {
    "=": np.equal, "<": np.less, ">": np.greater, "≤": np.less_equal, "≥": np.greater_equal,
    "≠": np.not_equal,
}


class Row:
    """A transposed vector."""

    def __init__(self, vector):
        self.vector = vector


class Reader:
    """Evaluates a printed right side: recursive descent, loosest sign first."""

    def __init__(self, text, known):
        self.tokens = [next(part for part in m.groups() if part is not None)
                       for m in TOKEN.finditer(text.rstrip())]
        self.known = known
        self.at = 0
        self.open = []  # of |…| and ‖…‖, which begin and end alike

    def peek(self):
        return self.tokens[self.at] if self.at < len(self.tokens) else None

    def take(self, expected=None):
        token = self.peek()
        assert expected in (None, token), (expected, token, self.tokens)
        self.at += 1
        return token

    def all(self):
        value = self.sum()
        assert self.peek() is None, self.tokens[self.at :]
        return value

    def sum(self):
        value = -self.term() if self.peek() == "−" and self.take() else self.term()
        while self.peek() in ("+", "−"):
            value = value + self.term() if self.take() == "+" else value - self.term()
        return value

    def term(self):
        """Elementwise products, then one quotient; a sum sign takes all of the rest."""
        value = self.factors()
        while self.peek() in ("⊙", "∧", "∨"):
            sign = self.take()
            other = self.factors()
            value = value * other if sign == "⊙" else (value & other if sign == "∧"
                                                       else value | other)
        if self.peek() == "/":
            self.take()
            value = value / self.factor()
        return value

    def factors(self):
        if self.peek() in ("Σ", "ln") and (self.peek() == "Σ" or self.tokens[self.at + 1] != "("):
            sign = self.take()
            value = self.term()
            return np.sum(value) if sign == "Σ" else np.log(value)
        value = self.factor()
        while self.peek() not in ENDS or (self.peek() in ("|", "‖") and not self.open):
            last = self.peek() == "Σ"
            other = self.factors() if last else self.factor() if self.peek() != "·" else (
                self.take() and self.factor()
            )
            value = matrix_product(value, other)
        return value

    def factor(self):
        value = self.base()
        while self.peek() is not None:
            token = self.peek()
            if token == "ᵀ":
                self.take()
                value = Row(value) if np.ndim(value) == 1 else np.swapaxes(value, -1, -2)
            elif re.fullmatch("[²³¹⁰⁴-⁹⁻]+", token):
                value = value ** float(self.take().translate(DIGITS))
            elif token == "^":
                self.take()
                value = value ** self.factor()
            else:
                break
        return value

    def base(self):  # noqa: C901 (a branch for each kind of token)
        token = self.take()
        if token == "(":
            value = self.sum()
            self.take(")")
        elif token == "[":
            value = self.sum()
            value = COMPARISONS[self.take()](value, self.sum())
            self.take("]")
        elif token in ("|", "‖"):
            self.open.append(token)
            value = self.sum()
            self.take(self.open.pop())
            value = np.abs(value) if token == "|" else np.linalg.norm(value)
        elif token == "√":
            value = np.sqrt(self.base())
        elif token == "π":
            value = np.pi
        elif token in VULGAR:
            value = VULGAR[token]
        elif token[0].isdigit():
            value = float(token)
        elif token in FUNCTIONS and (self.peek() == "(" or self.peek() in ("²", "³")):
            power = float(self.take().translate(DIGITS)) if self.peek() != "(" else 1
            self.take("(")
            arguments = [self.sum()]
            while self.peek() == ",":
                self.take()
                arguments.append(self.sum())
            self.take(")")
            value = FUNCTIONS[token](*arguments) ** power
        elif token == "e" and self.peek() == "^":
            value = np.e
        else:
            value = self.known[token]
        return value


def matrix_product(a, b):
    if isinstance(b, Row):
        return np.outer(a, b.vector)
    if isinstance(a, Row):
        return a.vector @ b
    return a * b if np.ndim(a) == 0 or np.ndim(b) == 0 else a @ b


def read_back(level, given):
    """All equations evaluated from their text, in order, from the given arrays."""
    known = dict(given)
    for equation in level.equations:
        left, _, right = str(equation).partition(" = ")
        with np.errstate(all="ignore"):
            value = Reader(right, known).all()
        assert left == equation.name
        if np.size(value) == 1:  # aᵀ b of columns is a number
            value = np.reshape(value, ())
        if equation.kind in ("adjoint", "gradient"):
            value = np.broadcast_to(value, equation.shape)  # v̄ = 1 is meant for every element
        known[left] = value
    return known


READABLE = re.compile(
    r"equal|less|greater|where|add|subtract|multiply|divide|negative|maximum|minimum|clip|sign|abs|"
    r"exp|expm1|log|log1p|power|sqrt|square|sin|cos|tanh|sigmoid|relu|leaky_relu|softplus|erf|gelu|"
    r"squared_error|binary_cross_entropy|sigmoid_cross_entropy|categorical_cross_entropy"
)
"""Operations whose text says all: no axes, no shapes, no index."""


def given_arrays(level, leaves):
    """What a reader of the text would have to be given: leaves, and constants by their names."""
    from tinygrad_mlp.explanation.expressions.expression import Symbol, within

    found = {leaf.name: leaf.data for leaf in leaves}
    for equation in level.equations:
        for e in within([equation.right]):
            if isinstance(e, Symbol) and e.definition is None:
                found[e.name.text] = e.value
    return found


@pytest.mark.parametrize("order", ["first", "second"])
@every_sample
def test_the_text_means_what_it_evaluates_to(case, order, programs, assert_gradients):
    if not READABLE.fullmatch(case.op.name):
        return
    leaves = programs.leaves(case)
    output = getattr(programs, order)(case, leaves)
    if output is None:
        return
    if len({np.shape(a) for a in case.args}) > 1:
        return  # a broadcast argument, whose gradient is a sum over axes
    tape = tg.explain(output).tape
    known = read_back(tape, given_arrays(tape, leaves))
    output.backward()
    for leaf in leaves:
        if f"∂L/∂{leaf.name}" in known:
            # Numbers are printed with six digits.
            np.testing.assert_allclose(
                known[f"∂L/∂{leaf.name}"], leaf.grad, rtol=1e-5, atol=1e-5
            )


@given(
    widths=st.lists(st.integers(2, 4), min_size=2, max_size=4),
    bias=st.booleans(),
    cross_entropy=st.booleans(),
    columns=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_so_do_all_levels_of_the_derivation_of_networks(
    widths, bias, cross_entropy, columns, seed
):
    rng = np.random.default_rng(seed)
    a, y = rng.normal(size=widths[0]), rng.uniform(size=widths[-1])
    if columns:
        a, y = a[:, None], y[:, None]
    leaves = []
    for i, (n_out, n_in) in enumerate(zip(widths[1:], widths[:-1], strict=True), start=1):
        W = tg.Tensor(rng.normal(size=(n_out, n_in)), requires_grad=True, name=f"W{i}")
        leaves.append(W)
        z = W @ a
        if bias:
            shape = (n_out, 1) if columns else n_out
            b = tg.Tensor(rng.normal(size=shape), requires_grad=True, name=f"b{i}")
            leaves.append(b)
            z = z + b
        a = tg.tanh(z) if i < len(widths) - 1 else tg.sigmoid(z)
    loss = tg.nn.binary_cross_entropy if cross_entropy else tg.nn.squared_error
    output = loss(a, y, reduction="sum")
    derivation = tg.explain(output)
    _ = derivation.tape
    output.backward()
    for level in (derivation.closed, derivation.steps, derivation.tape):
        known = read_back(level, given_arrays(level, leaves))
        for leaf in leaves:
            np.testing.assert_allclose(known[f"∂L/∂{leaf.name}"], leaf.grad, rtol=1e-6, atol=1e-9)
