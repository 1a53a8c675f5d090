"""Simplification changes how an expression reads and never what it is worth."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_mlp.autograd import ops
from tinygrad_mlp.autograd.op import OPS
from tinygrad_mlp.explanation.algebra import Algebra, in_shape, outer, ratio, where_not, where_only
from tinygrad_mlp.explanation.expression import Application, Number, Symbol, evaluate
from tinygrad_mlp.explanation.simplify import RULES
from tinygrad_mlp.graph_view.names import name


def symbols():
    rng = np.random.default_rng(5)
    shapes = {"s": (), "x": (3,), "y": (3,), "A": (2, 3), "B": (3, 3), "c": (3, 1), "r": (1, 2),
              "o": (1, 1)}
    made = {
        key: Symbol(name(key), shape, float, value=rng.uniform(0.5, 2, size=shape))
        for key, shape in shapes.items()
    }
    for key in ("x", "y", "A"):  # zeros and ones, for the rules about them
        made[key].value.flat[0] = 0.0
        made[key].value.flat[1] = 1.0
    return made


def applied(algebra, op, *args, **static):
    """An operation on expressions and numbers, with the shape and dtype that it really has."""
    args = [algebra.number(a) if isinstance(a, (int, float)) else a for a in args]
    out = np.asarray(Application(op, args, {**op.defaults, **static}, (), float).evaluate())
    return algebra.apply(op, args, {**op.defaults, **static}, out.shape, out.dtype)


class Both:
    """Makes every expression twice: simplified and as it stands."""

    def __init__(self):
        self.simple, self.raw = Algebra(RULES), Algebra()
        self.symbols = symbols()

    def __getattr__(self, key):
        if key in self.symbols:
            return self.symbols[key], self.symbols[key]
        op = globals().get(key) or OPS.get(key) or getattr(ops, key)
        return lambda *args, **static: tuple(
            applied(algebra, op, *(a[i] if isinstance(a, tuple) else a for a in args), **static)
            for i, algebra in enumerate((self.simple, self.raw))
        )

    def filled(self, number, shape):
        return tuple(a.number(number, shape, float) for a in (self.simple, self.raw))


def equal_values(pair):
    simple, raw = evaluate([pair[0]])[0], evaluate([pair[1]])[0]
    np.testing.assert_allclose(simple, raw, rtol=1e-12, atol=1e-14, strict=True)


SIMPLER = {
    "aᵀᵀ = a": (lambda m: m.transpose(m.transpose(m.A)), "A"),
    "aᵀᵀ = a, by exchange of axes": (
        lambda m: m.swapaxes(m.transpose(m.A), axis1=-1, axis2=-2), "A"
    ),
    "a vector is its own transpose": (lambda m: m.transpose(m.x), "x"),
    "three axes are another matter": (
        lambda m: m.transpose(m.reshape(m.A, shape=(1, 2, 3)), axes=(1, 2, 0)), "Aᵀ(1,2,0)",
    ),
    "a reshape to the same shape": (lambda m: m.reshape(m.A, shape=(2, 3)), "A"),
    "the last reshape counts": (
        lambda m: m.reshape(m.reshape(m.A, shape=(6,)), shape=(3, 2)), "reshape(A)"
    ),
    "a sum over nothing": (lambda m: m.sum(m.c, axis=1, keepdims=True), "c"),
    "a mean over one": (lambda m: m.mean(m.c, axis=1), "c"),
    "a sum over some": (lambda m: m.sum(m.A, axis=1), "Σ_axis1 A"),
    "a number repeated": (lambda m: m.add(m.x, m.broadcast_to(m.filled(2.0, ()), shape=(3,))),
                          "x + 2"),
    "arithmetic of numbers": (lambda m: m.multiply(m.x, m.add(m.filled(1.0, ()), 2.0)), "3 x"),
    "0 + x": (lambda m: m.add(0, m.x), "x"),
    "x + 0": (lambda m: m.add(m.x, 0.0), "x"),
    "0 + x of a larger shape stays": (lambda m: m.add(m.filled(0.0, (2, 3)), m.x), "0 + x"),
    "x − 0": (lambda m: m.subtract(m.x, 0), "x"),
    "0 − x": (lambda m: m.subtract(0, m.x), "−x"),
    "a + (−b)": (lambda m: m.add(m.x, m.negative(m.y)), "x − y"),
    "(−a) + b": (lambda m: m.add(m.negative(m.x), m.y), "y − x"),
    "a − (−b)": (lambda m: m.subtract(m.x, m.negative(m.y)), "x + y"),
    "a + a": (lambda m: m.add(m.x, m.x), "2 x"),
    "(−a) + (−a)": (lambda m: m.add(m.negative(m.x), m.negative(m.x)), "−2 x"),
    "−(−a)": (lambda m: m.negative(m.negative(m.x)), "x"),
    "−(a − b)": (lambda m: m.negative(m.subtract(m.x, m.y)), "y − x"),
    "(−a) b": (lambda m: m.multiply(m.negative(m.x), m.y), "−x ⊙ y"),
    "a (−b)": (lambda m: m.matmul(m.A, m.negative(m.B)), "−A B"),
    "(−a) (−b)": (lambda m: m.multiply(m.negative(m.x), m.negative(m.y)), "x ⊙ y"),
    "a negative number as a factor": (lambda m: m.multiply(m.x, -0.5), "−½ x"),
    "a negative denominator": (lambda m: m.divide(m.x, m.negative(m.c)), "−x / c"),
    "f(−a), f linear": (lambda m: m.sum(m.negative(m.A), axis=0), "−Σ_axis0 A"),
    "1 x": (lambda m: m.multiply(1, m.x), "x"),
    "x 1": (lambda m: m.multiply(m.x, m.filled(1.0, (3,))), "x"),
    "1 x of a larger shape stays": (lambda m: m.multiply(m.filled(1.0, (2, 3)), m.x), "1 ⊙ x"),
    "a filled array as a factor": (lambda m: m.multiply(m.x, m.filled(2.0, (3,))), "2 x"),
    "x / 1": (lambda m: m.divide(m.x, 1), "x"),
    "x ⊙ x": (lambda m: m.multiply(m.x, m.x), "x²"),
    "x to the 2": (lambda m: m.power(m.x, 2), "x²"),
    "x to the 1": (lambda m: m.power(m.x, 1), "x"),
    "x 2": (lambda m: m.multiply(m.x, 2), "2 x"),
    "a single number first": (lambda m: m.multiply(m.x, m.s), "s x"),
    "a (2 b)": (lambda m: m.multiply(m.x, m.multiply(2.0, m.y)), "2 x ⊙ y"),
    "2 (3 x)": (lambda m: m.multiply(2, m.multiply(3, m.x)), "6 x"),
    "A (2 b)": (lambda m: m.matmul(m.A, m.multiply(2, m.B)), "2 A B"),
    "a column times a row": (lambda m: m.multiply(m.c, m.r), "c r"),
    "two vectors": (
        lambda m: m.multiply(m.reshape(m.x, shape=(3, 1)), m.y), "x yᵀ"
    ),
    "two vectors as column and row": (
        lambda m: m.multiply(m.reshape(m.x, shape=(3, 1)), m.reshape(m.y, shape=(1, 3))), "x yᵀ"
    ),
    "two single numbers as matrices": (lambda m: m.multiply(m.o, m.o), "o²"),
    "a matrix times a vector as a column": (
        lambda m: m.getitem(m.matmul(m.A, m.reshape(m.x, shape=(3, 1))), template=(..., 0)), "A x"
    ),
    "a choice between the same": (lambda m: m.where(m.greater(m.x, 1), m.y, m.y), "y"),
    "a choice or 0": (lambda m: m.where(m.greater(m.x, 1), m.y, 0), "[x > 1] ⊙ y"),
    "0 or a choice": (lambda m: m.where(m.greater(m.x, 1), 0.0, m.y), "(1 − [x > 1]) ⊙ y"),
    "1 or a choice": (
        lambda m: m.where(m.greater(m.x, 1), 1.0, m.y), "[x > 1] + (1 − [x > 1]) ⊙ y"
    ),
    "1 or 0": (
        lambda m: m.where(m.greater(m.x, 1), m.filled(1.0, (3,)), 0), "[x > 1]"
    ),
    "a guarded quotient": (
        lambda m: m.divide(m.x, m.where(m.equal(m.x, 0), 1, m.y)), "x / y"
    ),
    "a guarded quotient of 1 − x": (
        lambda m: m.divide(m.subtract(1, m.x), m.where(m.equal(m.x, 1), 1, m.y)), "(1 − x) / y"
    ),
    "a quotient guarded twice": (
        lambda m: m.where(
            m.equal(m.x, 0), 0,
            m.divide(m.negative(m.x), m.where(m.equal(m.x, 0), 1, m.y)),
        ),
        "−x / y",
    ),
    "a quotient with another guard stays": (
        lambda m: m.divide(m.x, m.where(m.equal(m.y, 0), 1, m.y)),
        "x / ([y = 0] + (1 − [y = 0]) ⊙ y)",
    ),
    "a quotient guarded by another test stays": (
        lambda m: m.divide(m.x, m.where(m.greater(m.x, 0), 1, m.y)),
        "x / ([x > 0] + (1 − [x > 0]) ⊙ y)",
    ),
    "columns of sums": (
        lambda m: m.in_shape(m.subtract(m.x, m.multiply(2, m.y)), shape=(3, 1)), "x − 2 y"
    ),
}


@pytest.mark.parametrize("rule", SIMPLER)
def test_a_rule_simplifies_as_expected_and_keeps_the_value(rule):
    build, text = SIMPLER[rule]
    pair = build(Both())
    assert pair[0].text() == text
    equal_values(pair)


def test_every_rule_is_tried():
    tried = set()
    watched = {
        op: [lambda a, e, r=r: tried.add(r) if r(a, e) is not None else None for r in rules]
        for op, rules in RULES.items()
    }
    for build, _ in SIMPLER.values():
        both = Both()
        both.raw = Algebra(watched)  # simplifies nothing, but notes what could be
        build(both)
        both.raw, both.simple = Algebra(), Algebra(RULES)
        both.simple.rules = {
            op: [
                lambda a, e, r=r: (tried.add(r), r(a, e))[1] if r(a, e) is not None else None
                for r in rules
            ]
            for op, rules in RULES.items()
        }
        build(both)
    missing = {rule.__name__ for rules in RULES.values() for rule in rules if rule not in tried}
    assert missing == set()


def test_the_quotient_of_formulas_is_0_where_its_numerator_is():
    x, zero = np.array([0.0, 1.0, 0.0]), np.array([0.0, 2.0, 3.0])
    with np.errstate(all="raise"):
        np.testing.assert_array_equal(ratio(x, zero), [0, 0.5, 0])
    assert np.isinf(where_only.forward(np.array([True]), np.array([np.inf])))
    assert where_only.forward(np.array([False]), np.array([np.inf])) == 0
    assert where_not.forward(np.array([True]), np.array([np.inf])) == 0


UNARY = [ops.negative, ops.square, ops.transpose, ops.sum, ops.mean]
BINARY = [ops.add, ops.subtract, ops.multiply, ops.matmul, ops.where, outer, in_shape]


@given(data=st.data())
def test_random_expressions_keep_their_values(data):
    both = Both()
    made = [(s, s) for s in both.symbols.values()]
    made += [both.filled(v, shape) for v in (0.0, 1.0, -1.0, 2.0) for shape in ((), (3,))]
    pick = st.integers(0, 10**6).map(lambda i: made[i % len(made)])
    for _ in range(data.draw(st.integers(1, 12))):
        a, b = data.draw(pick), data.draw(pick)
        op = data.draw(st.sampled_from(UNARY + BINARY))
        small = a[0].shape, b[0].shape
        try:
            if op in UNARY:
                pair = getattr(both, op.name)(a)
            elif op is ops.where:
                pair = both.where(both.greater(a, 1), a, b)
            elif op is outer:
                if not len(small[0]) == len(small[1]) == 1:
                    continue
                pair = both.outer(a, b)
            elif op is in_shape:
                pair = both.in_shape(a, shape=(int(np.prod(small[0])), 1))
            else:
                pair = getattr(both, op.name)(a, b)
        except ValueError:
            continue  # shapes that do not fit
        if np.abs(evaluate([pair[1]])[0]).max(initial=0) < 1e6:
            made.append(pair)
    for pair in made:
        equal_values(pair)


def test_equal_expressions_are_one_object():
    algebra, s = Algebra(RULES), symbols()
    first, second = (applied(algebra, ops.tanh, applied(algebra, ops.add, s["x"], s["y"]))
                     for _ in range(2))
    assert first is second
    assert algebra.number(2.0) is algebra.number(2.0) is not algebra.number(2)
    assert isinstance(algebra.number(2.0, (3,), float), Number)
