"""Operations with one planted mistake each, and what `check_op` must say of them.

``python -m tests.verify.planted_ops`` prints the table.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any, NamedTuple

import numpy as np

import tinygrad_mlp as tg
from tinygrad_mlp.verify import check_op


class Planted(NamedTuple):
    """An operation with a mistake in the part that is responsible for `rule`."""

    op: Any
    rule: str
    cause: str

    @property
    def name(self) -> str:
        return f"{self.op.name}, {self.rule}: {self.cause}"


def matrices(rng):
    return [tg.Sample(rng.normal(size=(3, 3)), rng.normal(size=(3, 3))),
            tg.Sample(rng.normal(size=(2, 3)), rng.normal(size=(3, 4)))]


def rows(rng):
    return [tg.Sample(rng.normal(size=s), axis=a) for s in ((3, 3), (2, 3)) for a in (0, 1)]


def gained(rng):
    return [tg.Sample(rng.normal(size=s), rng.normal(size=3)) for s in ((2, 3), (3, 3), (4, 2, 3))]


def scaled(rng):
    return [tg.Sample(rng.normal(size=(2, 3, 4)), rng.normal(size=3))]


def squares(rng):
    return [tg.Sample(rng.normal(size=s)) for s in ((3, 3), (2, 2))]


def per_channel(x, s):
    return x * s[:, None]


def spread(g, a, axis):
    return tg.broadcast_to(tg.expand_dims(g, axis), shape=a.shape)


POSITIVE = {"x": (0.5, 3.0)}

# For each operation: forward, the right rules, the rest of the record; then the mistakes.
RIGHT = {
    "sine": (lambda x: np.sin(x), {"x": lambda g, y, x: g * tg.cos(x)}, {}),
    "tanh": (lambda x: np.tanh(x), {"x": lambda g, y, x: g * (1 - y * y)}, {}),
    "logarithm": (lambda x: np.log(x), {"x": lambda g, y, x: g / x}, {"domain": POSITIVE}),
    "square": (lambda x: x * x, {"x": lambda g, y, x: 2 * g * x}, {}),
    "exponential": (lambda x: np.exp(x), {"x": lambda g, y, x: g * y}, {}),
    "product": (lambda a, b: a * b, {"a": lambda g, y, a, b: g * b,
                                     "b": lambda g, y, a, b: g * a}, {}),
    "quotient": (lambda a, b: a / b,
                 {"a": lambda g, y, a, b: g / b, "b": lambda g, y, a, b: -g * y / b},
                 {"domain": {"b": (0.5, 2.0)}}),
    "difference": (lambda a, b: a - b, {"a": lambda g, y, a, b: g,
                                        "b": lambda g, y, a, b: -g}, {}),
    "multiplied": (lambda a, b: a @ b, {"a": lambda g, y, a, b: g @ b.T,
                                        "b": lambda g, y, a, b: a.T @ g}, {"samples": matrices}),
    "total": (lambda a, *, axis: a.sum(axis=axis),
              {"a": lambda g, y, a, axis: spread(g, a, axis)}, {"samples": rows}),
    "sum_of_squares": (lambda a, *, axis: (a * a).sum(axis=axis),
                       {"a": lambda g, y, a, axis: 2 * a * spread(g, a, axis)},
                       {"samples": rows}),
    "gain": (lambda x, w: x * w, {"x": lambda g, y, x, w: g * w,
                                  "w": lambda g, y, x, w: g * x}, {"samples": gained}),
    "channels": (per_channel, {"x": lambda g, y, x, s: g * s[:, None],
                               "s": lambda g, y, x, s: tg.sum(g * x, axis=(0, 2))},
                 {"samples": scaled}),
    "turned": (lambda a: a.T @ a, {"a": lambda g, y, a: a @ (g + g.T)}, {"samples": squares}),
    "swish": (lambda x: x / (1 + np.exp(-x)),
              {"x": lambda g, y, x: g * (y + tg.sigmoid(x) * (1 - y))}, {}),
    "cumulative": (lambda a, *, axis: np.cumsum(a, axis=axis),
                   {"a": lambda g, y, a, axis: (
                       tg.broadcast_to(tg.sum(g, axis=axis, keepdims=True), shape=a.shape)
                       - _before(g, axis))}, {"samples": rows}),
}


def _before(g, axis):
    """Σ of the cotangents of earlier elements."""
    n = g.shape[axis]
    lower = np.tril(np.ones((n, n), getattr(g, "dtype", float)), -1)
    return lower @ g if axis == 0 else g @ lower.T


def declare(name, forward=None, rules=None, **changes):
    made, known, more = RIGHT[name]
    reference = changes.pop("reference", made)
    record = {**more, "reference": reference, **changes}
    return tg.op(rules={**known, **(rules or {})}, register=False, name=name, **record)(
        forward or made
    )


def right():
    """Every operation without a mistake."""
    return [declare(name) for name in RIGHT]


class Kept:
    """A place in which a forward function wrongly keeps something for its rule."""

    x: Any = None


def keeping(f):
    kept = Kept()

    def forward(x):
        kept.x = np.array(x)
        return f(x)

    return kept, forward


def into(f):
    """A forward function that writes into its argument."""

    def forward(x):
        f(x, out=x)
        return x.copy()

    return forward


def both_into(a, b):
    np.multiply(a, b, out=b if b.shape == np.broadcast_shapes(a.shape, b.shape) else None)
    return a * b


def in_place(g, y, x):
    g *= 2
    return g * x


def y_in_place(g, y, x):
    np.multiply(y, y, out=y if isinstance(y, np.ndarray) else None)
    return g * (1 - y)


def raw(a):
    """The numbers of an array or of a Tensor."""
    return a.detach().numpy() if isinstance(a, tg.Tensor) else a


def planted():
    """Every mistake."""
    rows_of = []

    def add(name, rule, cause, given=None, **changes):
        rules = {rule: given} if given is not None else {}
        rows_of.append(Planted(declare(name, rules=rules, **changes), rule, cause))

    # sign
    add("sine", "x", "sign", lambda g, y, x: -g * tg.cos(x))
    add("tanh", "x", "sign", lambda g, y, x: g * (y * y - 1))
    add("quotient", "b", "sign", lambda g, y, a, b: g * y / b)
    add("difference", "b", "sign", lambda g, y, a, b: g)
    add("multiplied", "a", "sign", lambda g, y, a, b: -(g @ b.T))
    add("channels", "s", "sign", lambda g, y, x, s: -tg.sum(g * x, axis=(0, 2)))
    # factor
    add("square", "x", "factor", lambda g, y, x: g * x)
    add("logarithm", "x", "factor", lambda g, y, x: 2 * g / x)
    add("exponential", "x", "factor", lambda g, y, x: g * y * 1.001)
    add("product", "a", "factor", lambda g, y, a, b: 0.5 * g * b)
    add("sum_of_squares", "a", "factor", lambda g, y, a, axis: a * spread(g, a, axis))
    add("turned", "a", "factor", lambda g, y, a: 2 * (a @ (g + g.T)))
    # missing broadcast reduction
    add("channels", "s", "missing broadcast reduction", lambda g, y, x, s: g * x)
    add("gain", "w", "missing broadcast reduction",
        lambda g, y, x, w: tg.reshape(g * x, shape=(-1, 3))[0])
    add("product", "a", "missing broadcast reduction", lambda g, y, a, b: (
        g * b if a.shape == y.shape else tg.mean(g * b) * np.ones(a.shape)))
    add("difference", "b", "missing broadcast reduction", lambda g, y, a, b: (
        -g if b.shape == y.shape else -tg.mean(g) * np.ones(b.shape)))
    add("channels", "s", "missing broadcast reduction",
        lambda g, y, x, s: tg.sum(g * x, axis=0))
    # wrong axis
    add("total", "a", "wrong axis", lambda g, y, a, axis: (
        spread(g, a, 1 - axis) if a.shape[0] == a.shape[1] else spread(g, a, axis)))
    add("sum_of_squares", "a", "wrong axis", lambda g, y, a, axis: (
        2 * a * (spread(g, a, 1 - axis) if a.shape[0] == a.shape[1] else spread(g, a, axis))))
    add("turned", "a", "wrong axis", lambda g, y, a: (a @ (g + g.T)).T)
    add("cumulative", "a", "wrong axis", lambda g, y, a, axis: (
        tg.broadcast_to(tg.sum(g, axis=1 - axis, keepdims=True), shape=a.shape)
        - _before(g, 1 - axis)))
    add("multiplied", "b", "wrong axis", lambda g, y, a, b: (
        (a.T @ g).T if b.shape[0] == b.shape[1] else a.T @ g))
    # wrong argument's rule
    add("product", "b", "wrong argument's rule", lambda g, y, a, b: g * b)
    add("quotient", "a", "wrong argument's rule", lambda g, y, a, b: -g * y / b)
    add("multiplied", "a", "wrong argument's rule", lambda g, y, a, b: a.T @ g)
    add("gain", "w", "wrong argument's rule", lambda g, y, x, w: g * w)
    # right at first order, not differentiable again
    add("sine", "x", "not differentiable again", lambda g, y, x: g * np.cos(raw(x)))
    add("tanh", "x", "not differentiable again", lambda g, y, x: g * (1 - raw(y) ** 2))
    add("exponential", "x", "not differentiable again", lambda g, y, x: np.asarray(raw(g) * raw(y)))
    add("product", "a", "not differentiable again", lambda g, y, a, b: g * raw(b))
    add("swish", "x", "not differentiable again",
        lambda g, y, x: g * (raw(y) + tg.sigmoid(x) * (1 - raw(y))))
    add("sum_of_squares", "a", "not differentiable again",
        lambda g, y, a, axis: 2 * raw(a) * spread(g, a, axis))
    add("square", "x", "not differentiable again",
        lambda g, y, x: np.multiply(2 * np.asarray(g.data), np.asarray(x.data)))
    # forward in place
    for name, f in (("sine", np.sin), ("exponential", np.exp), ("tanh", np.tanh)):
        add(name, "forward", "forward in place", forward=into(f), reference=f)
    add("product", "forward", "forward in place", forward=both_into)
    # dtype promoted
    add("square", "forward", "dtype promoted", forward=lambda x: x * x * np.ones(np.shape(x)))
    add("swish", "forward", "dtype promoted",
        forward=lambda x: x / (1 + np.exp(-np.asarray(x, float))))
    add("total", "forward", "dtype promoted",
        forward=lambda a, *, axis: a.sum(axis=axis, dtype=float))
    # value baked into a trace
    for name, f, slope in (
        ("sine", np.sin, np.cos), ("square", lambda x: x * x, lambda x: 2 * x),
        ("exponential", np.exp, np.exp),
    ):
        kept, forward = keeping(f)
        add(name, "x", "value baked into a trace",
            lambda g, y, x, kept=kept, slope=slope: g * slope(kept.x),
            forward=forward, reference=f)
    # others
    add("sine", "forward", "forward wrong", reference=lambda x: np.sin(x) + 1e-6)
    add("logarithm", "forward", "forward wrong", forward=lambda x: np.log(x + 1e-4))
    add("square", "x", "rule in place", in_place)
    add("tanh", "x", "rule in place", y_in_place)
    add("sine", "x", "not linear in g", lambda g, y, x: tg.cos(x))
    add("exponential", "x", "not linear in g", lambda g, y, x: g * g * y)
    add("swish", "x", "wrong value", lambda g, y, x: g * (y + tg.sigmoid(x)))
    add("tanh", "x", "wrong value", lambda g, y, x: g * (1 - x * x))
    add("total", "a", "wrong shape",
        lambda g, y, a, axis: tg.concatenate([spread(g, a, axis)] * 2))
    add("sine", "latex", "LaTeX", latex=r"\sin(")
    add("product", "latex", "LaTeX", latex="{a} {a}")
    return rows_of


class Outcome(NamedTuple):
    """The verdict of the check on one mistake."""

    caught: bool
    named: bool
    said: str


def examine(mistake: Planted) -> Outcome:
    """Check whether it is caught, and named rightly, at the part that it is in."""
    report = check_op(mistake.op)
    named = [(f.rule, f.cause) for f in report.failures] == [(mistake.rule, mistake.cause)]
    return Outcome(not report.ok, named, str(report))


def table(outcomes) -> str:
    """The outcomes by cause."""
    by_cause = defaultdict(list)
    for mistake, outcome in outcomes:
        by_cause[mistake.cause].append(outcome)
    lines = ["| cause | mistakes | caught | cause and rule named |", "|---|--:|--:|--:|"]
    for cause, found in [*by_cause.items(), ("all", [o for _, o in outcomes])]:
        caught, named = (sum(o[i] for o in found) for i in (0, 1))
        lines.append(f"| {cause} | {len(found)} | {caught} | {named} |")
    return "\n".join(lines)


if __name__ == "__main__":
    found = [(mistake, examine(mistake)) for mistake in planted()]
    print(table(found))
    for mistake, outcome in found:
        if not outcome.named:
            print(f"\n{mistake.name}\n{outcome.said}")
    wrong = [op.name for op in right() if not check_op(op).ok]
    print(f"\nfalse alarms in {len(RIGHT)} right operations: {', '.join(wrong) or 'none'}")
