"""`check_grad`: automatic against numerical differentiation, and what else a gradient must be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.errors import OpDefinitionError
from tinygrad_mlp.support.checks import integer_at_least, not_negative, one_of
from tinygrad_mlp.verify.gradients.comparison import Comparison
from tinygrad_mlp.verify.gradients.contract import Problem, check_contract
from tinygrad_mlp.verify.gradients.kinks import operation_at_kink
from tinygrad_mlp.verify.gradients.pairing import ALONE
from tinygrad_mlp.verify.gradients.probe import Probe, undisturbed
from tinygrad_mlp.verify.gradients.report import GradReport, Pair
from tinygrad_mlp.verify.gradients.second_order import probe_of_gradient


def check_grad(
    f: Callable[..., Any],
    *args: Any,
    order: int = 1,
    fast: bool = False,
    seed: int = 0,
    rtol: float | None = None,
) -> GradReport:
    """Hold the gradients of `f` against numerical derivatives, for every output and input.

    An automatic derivative ``a`` and a numeric one ``n``, known to ``± e``, agree if

        ``|a − n| / (max(|a|, |n|) + e / rtol) ≤ rtol``

    This is a relative error; what it forgives beside `rtol` is ``e``, the truncation and rounding
    error of ``n`` itself, and nothing absolute: units and sizes do not matter. The numeric side is
    the complex step where the operations take complex numbers, else central differences with a
    step relative to each element. What they contest is settled by a sweep over many steps, which
    also tells a kink (ReLU at 0, a tie of max) and a point where rounding or overflow makes
    the *numeric* side unreliable from a mistake.

    Also found: rules that do not multiply with their cotangent, results that differ from run to
    run, gradients of a wrong shape or dtype or in memory of others, and arrays changed in place.

    Inputs of lower precision are checked in double precision, where `f` takes it; then the
    gradients in their own precision are held against these, up to rounding.

    Args:
        f: takes arrays or tensors, returns an array or a nesting of arrays.
        args: the point: arrays, numbers, tensors, and nestings of them. Integers are passed on.
        order: 2 also checks the gradients of gradients.
        fast: take a few random directions instead of every element: at a cost that does not grow
            with their number, but a mistake in one element of many may hide.
        seed: of the random draws.
        rtol: by default 1e-6, in single precision 1e-4.

    Returns:
        A `GradReport`; print it, or call its `assert_ok()`.

    Raises:
        DTypeError: no argument, or no result, is of floating-point numbers.
        InvalidArgumentError: another argument has an impossible value.

    >>> import numpy as np, tinygrad_mlp as tg
    >>> check_grad(lambda x: tg.sum(tg.tanh(x)), np.array([0.5, -1.0])).ok
    True
    >>> wrong = tg.op(rules={"x": lambda g, y, x: g * x}, register=False)(lambda x: x * x)
    >>> check_grad(wrong, 3.0).pairs[0].status
    'WRONG'
    """
    one_of(order, (1, 2), "check_grad: order")
    seed = integer_at_least(0, seed, "check_grad: seed")
    if rtol is not None:
        rtol = not_negative(rtol, "check_grad: rtol")
    rng = np.random.default_rng(seed)
    with undisturbed():
        probe = Probe(f, args)
        if rtol is None:
            rtol = 1e-6 if probe.eps < 1e-10 else 1e-4
        pairs, errors, problems, usable = _checked(probe, probe, rng, rtol, fast, 1)
        if order == 2 and usable:
            try:
                second = probe_of_gradient(probe, rng)
            except OpDefinitionError as error:  # a rule that has no derivative, which says why
                problems.append(Problem("definition", str(error)))
            else:
                more = _checked(second, probe, rng, rtol, fast, 2)
                pairs, errors = pairs + more[0], errors + more[1]
                problems += [p for p in more[2] if p not in problems]
    inputs = dict(zip(probe.inputs, probe.original, strict=True))
    return GradReport(
        pairs, problems, inputs, errors, seed=seed, rtol=rtol, order=order, fast=fast
    )


def _checked(
    probe: Probe, of_f: Probe, rng: np.random.Generator, rtol: float, fast: bool, order: int
) -> tuple[list[Pair], list[Array], list[Problem], bool]:
    """The pairs, their errors, the other problems, and whether there were gradients at all."""
    cotangents = [rng.standard_normal(output.shape) for output in probe.outputs]
    problems, usable = check_contract(probe, cotangents)
    if not usable:
        return [], [], problems, False
    compared = Comparison(probe, rng, rtol, fast, order).all_pairs()
    pairs, errors = [pair for pair, _ in compared], [error for _, error in compared]
    if any(pair.status == "WRONG" for pair in pairs):
        culprit = operation_at_kink(of_f, rng)
        if culprit:
            sides = [
                Comparison(side, rng, rtol, fast, order).all_pairs() for side in probe.beside(rng)
            ]
            pairs = [
                _excused(pair, culprit) if pair.note == ALONE or up.status == down.status == "ok"
                else pair
                for pair, (up, _), (down, _) in zip(pairs, *sides, strict=True)
            ]  # fmt: skip
    return pairs, errors, problems, True


def _excused(pair: Pair, culprit: str) -> Pair:
    """The pair, no longer wrong: the gradient is right beside the point, on both sides."""
    if pair.status != "WRONG":
        return pair
    return pair._replace(
        status="kink",
        note=f"Inside of f, '{culprit}' stands at a kink, and its convention there is at work.",
    )
