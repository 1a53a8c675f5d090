"""Mathematical expressions: printed and evaluated from one and the same structure.

An expression is a vertex of a graph without cycles. A `Symbol` has a name, and a definition if it
stands for something computed; printing stops at it, evaluation goes through it. An `Application`
is an operation on expressions: evaluating it calls the operation's forward function, and printing
it fills the operation's LaTeX template. A `Number` is what it says, possibly in every element of
an array.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.autograd.op import Op
from tinygrad_mlp.errors import ShapeError
from tinygrad_mlp.explanation.algebra.monomial import Shape
from tinygrad_mlp.explanation.algebra.order import in_order
from tinygrad_mlp.explanation.expressions.notation import (
    ATOM,
    BIG,
    CALL,
    COMPOSITE,
    HADAMARD,
    NEGATIVE,
    POWER,
    SUM,
    SUPERSCRIPTS,
    Notation,
    Piece,
    Written,
    written,
)
from tinygrad_mlp.explanation.expressions.template import fill
from tinygrad_mlp.graph_view.names import Name
from tinygrad_mlp.graph_view.templates import template_of

SIGNS = {ops.add: "+", ops.subtract: "-"}

KNOWN_NUMBERS = {
    math.pi: (r"\pi", "π"),
    math.sqrt(2): (r"\sqrt{2}", "√2"),
    math.sqrt(math.pi): (r"\sqrt{\pi}", "√π"),
    math.sqrt(2 * math.pi): (r"\sqrt{2 \pi}", "√(2π)"),
    2 / math.sqrt(math.pi): (r"\frac{2}{\sqrt{\pi}}", "(2/√π)"),
    0.5: (r"\frac{1}{2}", "½")}
"""Numbers that rules are written with, and that six digits would not be recognised by."""


class Expression:
    """Base of the three kinds.

    Attributes:
        shape: lengths of the axes of its value.
        dtype: type of the elements of its value.

    >>> import tinygrad_mlp as tg
    >>> x = tg.Tensor([1.0, 2.0], requires_grad=True, name="x")
    >>> right = tg.explain(tg.sum(tg.exp(x)), x).equations[0].right
    >>> isinstance(right, Expression), right.shape
    (True, (2,))
    """

    __slots__ = ("shape", "dtype")

    shape: Shape
    dtype: np.dtype[Any]

    @property
    def ndim(self) -> int:
        """Number of axes of its value."""
        return len(self.shape)

    def parts(self) -> tuple[Expression, ...]:
        """What it is directly made of."""
        return ()

    def value_from(self, parts: Sequence[Any]) -> Any:
        """Its value from those of its parts."""
        raise NotImplementedError

    def written(self, notation: Notation) -> Written:
        """It in a notation, as a part of something else."""
        raise NotImplementedError

    def evaluate(self, values: Mapping[str, Any] | None = None) -> Array:
        """Its value.

        Args:
            values: arrays by name, for symbols that shall have another value than the recorded.

        Raises:
            ShapeError: one of them has another shape than its symbol.
        """
        return np.asarray(evaluate([self], values)[0])

    def latex(self, shapes: bool = False) -> str:
        """In LaTeX; with the shape under every factor if asked for."""
        notation = Notation(latex=True, shapes=shapes)
        pieces = self.written(notation).pieces
        return "".join(
            rf"\underset{{{notation.below(p.shape)}}}{{{p.text}}}" if shapes and p.shape else p.text
            for p in pieces)

    def text(self) -> str:
        """In plain text, in one line."""
        return self.written(Notation(latex=False)).string

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.text()} of shape {self.shape}>"


class Symbol(Expression):
    """Something with a name: its definition, or its array where it is given."""

    __slots__ = ("name", "definition", "value")

    def __init__(self, name: Name, shape: Shape, dtype: Any, *,
                 definition: Expression | None = None, value: Any = None) -> None:
        self.name = name
        self.shape = shape
        self.dtype = np.dtype(dtype)
        self.definition = definition
        self.value = value

    def parts(self) -> tuple[Expression, ...]:
        return () if self.definition is None else (self.definition,)

    def value_from(self, parts: Sequence[Any]) -> Any:
        return self.value if self.definition is None else parts[0]

    def written(self, notation: Notation) -> Written:
        raised = notation.latex and self.name.script.startswith("^")
        text = self.name.latex if notation.latex else self.name.text
        return written(text, POWER if raised else ATOM).joined(self.shape)


class Number(Expression):
    """A number, in every element where it has a shape.

    It is `plain` if it is a Python number, which does not raise the precision of float32.
    """

    __slots__ = ("number", "plain")

    def __init__(self, number: Any, shape: Shape = (), dtype: Any = None) -> None:
        self.plain = dtype is None
        self.number = number
        self.shape = shape
        self.dtype = np.result_type(number) if dtype is None else np.dtype(dtype)

    def value_from(self, parts: Sequence[Any]) -> Any:
        return self.number if self.plain else np.full(self.shape, self.number, self.dtype)

    def written(self, notation: Notation) -> Written:
        text = self._digits(notation.latex)
        if self.shape and notation.latex and text in ("0", "1"):
            text = rf"\mathbf{{{text}}}"
        whole = written(text, POWER if re.match("10[⁻⁰-⁹²³¹^]", text) else ATOM)
        if r"\cdot" in text:
            whole = notation.bracketed(whole)
        if self.number < 0:
            return Written((Piece(notation.sign("-")), *whole.pieces), NEGATIVE, self.shape)
        return whole.joined(self.shape)

    def _digits(self, latex: bool) -> str:
        size = abs(self.number)
        if isinstance(size, float) and size in KNOWN_NUMBERS:
            return KNOWN_NUMBERS[size][0 if latex else 1]
        if float(size).is_integer() and size < 1e6:
            return f"{int(size)}"
        text = f"{float(size):.6g}".replace("inf", r"\infty" if latex else "∞")
        digits, _, exponent = text.partition("e")
        if exponent and digits == "1":
            return f"10^{{{int(exponent)}}}" if latex else (
                "10" + str(int(exponent)).translate(SUPERSCRIPTS))
        if not latex:
            return text
        text = digits + (rf" \cdot 10^{{{int(exponent)}}}" if exponent else "")
        return text.replace("nan", r"\mathrm{nan}")


class Application(Expression):
    """An operation applied to expressions; `index` is the number of the output among several."""

    __slots__ = ("op", "args", "static", "index")

    def __init__(self, op: Op, args: Sequence[Expression | None], static: dict[str, Any],
                 shape: Shape, dtype: Any, index: int = 0) -> None:
        self.op = op
        self.args = tuple(args)
        self.static = static
        self.shape = shape
        self.dtype = np.dtype(dtype)
        self.index = index

    def parts(self) -> tuple[Expression, ...]:
        return tuple(a for a in self.args if a is not None)

    def value_from(self, parts: Sequence[Any]) -> Any:
        values = iter(parts)
        arrays = [None if a is None else next(values) for a in self.args]
        taken = (np.ndarray, *self.op.weak_scalars)
        arrays = [a if a is None or isinstance(a, taken) else np.asarray(a) for a in arrays]
        out = self.op.forward(*arrays, **self.static)
        return np.asarray(out[self.index] if self.op.outputs > 1 else out)

    def written(self, notation: Notation) -> Written:
        if self.op in SIGNS:
            return self._sum(notation)._replace(shape=self.shape)
        template = template_of(self.op, self.args, self.static)

        def argument(number: int) -> Written:
            part = self.args[number]
            assert part is not None
            return part.written(notation)

        whole = fill(template, argument, notation)
        if self.op.outputs > 1:
            whole = Written((*whole.pieces, Piece(f"[{self.index}]")), CALL)
        if template == "⟪0⟫" and whole.shape not in ((), self.shape) and (
                whole.kind in (SUM, HADAMARD, BIG)):
            # Its terms have the shape it had before.
            return Written(whole.joined(self.shape).pieces, whole.kind, self.shape)
        if whole.kind in COMPOSITE or (self.shape == () and notation.shapes):
            return whole._replace(shape=self.shape)
        return whole.joined(self.shape)

    def _sum(self, notation: Notation) -> Written:
        """A sum of any number of terms, without recursion: a value may be used very often."""
        terms: list[tuple[str, Expression]] = []
        rest: Expression = self
        while isinstance(rest, Application) and rest.op in SIGNS:
            left, right = rest.parts()
            terms.append((SIGNS[rest.op], right))
            rest = left
        terms.append(("", rest))
        return notation.sum([(sign, term.written(notation)) for sign, term in terms[::-1]])


def evaluate(expressions: Sequence[Expression],
             values: Mapping[str, Any] | None = None) -> list[Any]:
    """The values of expressions, each shared part computed once."""
    values = values or {}

    def replaced(e: Expression) -> bool:
        return isinstance(e, Symbol) and e.name.text in values

    known: dict[Expression, Any] = {}
    with np.errstate(all="ignore"):
        for e in in_order(expressions, lambda e: () if replaced(e) else e.parts()):
            if isinstance(e, Symbol) and replaced(e):
                known[e] = _replacement(e, values[e.name.text])
            else:
                known[e] = e.value_from([known[part] for part in e.parts()])
    return [known[e] for e in expressions]


def _replacement(symbol: Symbol, value: Any) -> Array:
    array = np.asarray(getattr(value, "data", value), symbol.dtype)
    if array.shape != symbol.shape:
        raise ShapeError(
            f"evaluate() expects {symbol.name.text} to have shape {symbol.shape}. "
            f"Got {array.shape}.")
    return array


def within(expressions: Iterable[Expression]) -> list[Expression]:
    """What expressions are made of, down to their symbols, each once, parts before wholes."""
    parts = in_order(expressions, lambda e: e.parts() if isinstance(e, Application) else ())
    return list(parts)
