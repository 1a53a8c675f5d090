"""`check_grad`: automatic derivatives compared with numerical ones, and the rules of gradients."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tinygrad_mlp.autograd.graph import Array
from tinygrad_mlp.errors import OpDefinitionError
from tinygrad_mlp.support.checks import integer_at_least, not_negative, one_of
from tinygrad_mlp.verify.further_points import moved
from tinygrad_mlp.verify.gradients.contract import Contract
from tinygrad_mlp.verify.gradients.directions import random_direction
from tinygrad_mlp.verify.gradients.numeric import NumericDerivatives
from tinygrad_mlp.verify.gradients.output_gradients import OutputGradients
from tinygrad_mlp.verify.gradients.pairing import Pairing
from tinygrad_mlp.verify.gradients.probe import Probe, probe_of_gradient, undisturbed
from tinygrad_mlp.verify.gradients.report import GradReport, Pair, Problem
from tinygrad_mlp.verify.gradients.sweep import operation_at_kink
from tinygrad_mlp.verify.gradients.verdict import ALONE

REACH = 0.5
"""How far the first further point is away, in multiples of the size of each input."""


def check_grad(f: Callable[..., object], *args: object, order: int = 1, fast: bool = False,
               seed: int = 0, rtol: float | None = None, points: int = 2) -> GradReport:
    """Compare the gradients of `f` with numerical derivatives, for every output and input.

    An automatic derivative ``a`` and a numeric one ``n``, known to ``± e``, agree if

        ``|a − n| / (max(|a|, |n|) + e / rtol) ≤ rtol``

    This is a relative error. Besides `rtol` it allows for ``e``, the truncation and rounding error
    of ``n`` itself, and for nothing absolute: units and sizes do not matter. The numeric side is
    the complex step where the operations take complex numbers, else central differences with a
    step relative to each element. Where the two disagree, a sweep over many steps decides. It also
    distinguishes a mistake from a kink (ReLU at 0, a tie of max) and from a point where rounding
    or overflow makes the *numeric* side unreliable.

    Also found: rules that do not multiply with their cotangent, results that differ from run to
    run, gradients of a wrong shape or dtype or that share memory, and arrays changed in place.

    Where the gradients are right at the given point, they are also checked at further `points`, in
    a few random directions. Further points have the properties of the given one: positive inputs
    stay positive, symmetric ones symmetric, and so on (see `further_points`).

    Inputs of lower precision are checked in double precision, where `f` takes it. Then the
    gradients in their own precision are compared with these, up to rounding.

    Args:
        f: takes arrays or tensors, returns an array or a nesting of arrays.
        args: the point: arrays, numbers, tensors, and nestings of them. Integers are passed on.
        order: 2 also checks the gradients of gradients.
        fast: take a few random directions instead of every element. The cost does not grow with
            their number, but a mistake in one element of many may go unnoticed.
        seed: of the random draws.
        rtol: by default 1e-6, in single precision 1e-4.
        points: the number of further points.

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
    points = integer_at_least(0, points, "check_grad: points")
    if rtol is not None:
        rtol = not_negative(rtol, "check_grad: rtol")
    rng = np.random.default_rng(seed)
    with undisturbed():
        probe = Probe(f, args)
        if rtol is None:
            rtol = 1e-6 if probe.eps < 1e-10 else 1e-4
        pairs, errors, problems, usable = _check_order(probe, probe, rng, rtol, fast, 1)
        if order == 2 and usable:
            try:
                second = probe_of_gradient(probe, rng)
            except OpDefinitionError as error:  # a rule that has no derivative
                problems.append(Problem("definition", str(error)))
            else:
                more = _check_order(second, probe, rng, rtol, fast, 2)
                pairs, errors = pairs + more[0], errors + more[1]
                problems += [p for p in more[2] if p not in problems]
        inputs = dict(zip(probe.inputs, probe.original, strict=True))
        report = GradReport(
            pairs, problems, inputs, errors, seed=seed, rtol=rtol, order=order, fast=fast)
        for number in range(1, points + 1):
            if report.ok and pairs:
                _check_further(report, probe, rng, number)
    return report


def _check_further(report: GradReport, probe: Probe, rng: np.random.Generator, number: int) -> None:
    """Check the first derivatives at a further point, and put mistakes there into the report."""
    reach = REACH * number
    try:
        further = probe.moved([moved(a, reach, rng) - a for a in probe.original])
        further.call(further.point)
        found = _judged_pairs(further, further, rng, report.rtol, True, 1)
    except Exception as error:  # anything that f may raise where its author did not call it
        report.notes.append(
            f"At further point {number}, f fails with {type(error).__name__}: {error}. It was not "
            f"checked there.")
        return
    report.further.append(dict(zip(further.inputs, further.original, strict=True)))
    for i, (pair, _) in enumerate(found):
        if pair.status == "WRONG":
            note = f"At further point {number} (see .further). {pair.note}".rstrip()
            report.pairs[i] = pair._replace(note=note)


def _check_order(probe: Probe, of_f: Probe, rng: np.random.Generator, rtol: float, fast: bool,
                 order: int) -> tuple[list[Pair], list[Array], list[Problem], bool]:
    """Check the first derivatives of a probe, that of f or of its gradient.

    Return the pairs, their errors, the other problems, and whether there were gradients at all.
    """
    cotangents = [rng.standard_normal(output.shape) for output in probe.outputs]
    contract = Contract(probe)
    problems = contract.problems
    if not contract.check(cotangents):
        return [], [], problems, False
    compared = _judged_pairs(probe, of_f, rng, rtol, fast, order)
    pairs, errors = [pair for pair, _ in compared], [error for _, error in compared]
    return pairs, errors, problems, True


def _judged_pairs(probe: Probe, of_f: Probe, rng: np.random.Generator, rtol: float, fast: bool,
                  order: int) -> list[tuple[Pair, Array]]:
    """Return every pair, where a convention of an operation at a kink is no mistake."""
    compared = _all_pairs(probe, rng, rtol, fast, order)
    pairs = [pair for pair, _ in compared]
    if any(pair.status == "WRONG" for pair in pairs):
        culprit = operation_at_kink(of_f, rng)
        if culprit:
            # The same function at two points not far away, on opposite sides of its point.
            away = [2.0**-6 * random_direction(a, rng) for a in probe.original]
            beside = probe.moved(away), probe.moved([-v for v in away])
            sides = [_all_pairs(side, rng, rtol, fast, order) for side in beside]
            for i, (pair, (up, _), (down, _)) in enumerate(zip(pairs, *sides, strict=True)):
                right = pair.note == ALONE or up.status == down.status == "ok"
                if pair.status == "WRONG" and right:
                    where = f"Inside of f, '{culprit}' is at a kink"
                    note = f"{where}, and its convention there is at work."
                    pairs[i] = pair._replace(status="kink", note=note)
    return [(pair, error) for pair, (_, error) in zip(pairs, compared, strict=True)]


def _all_pairs(probe: Probe, rng: np.random.Generator, rtol: float, fast: bool,
               order: int) -> list[tuple[Pair, Array]]:
    """Return every pair of an output and an input, with the errors by the input's elements."""
    here = probe.noise(probe.point, rng)
    tapes = probe.record(probe.point), probe.record(probe.original)
    columns = [OutputGradients(probe, i, *tapes, rng, fast) for i in range(len(probe.outputs))]
    found = []
    for leaf in range(len(probe.inputs)):
        numbers = NumericDerivatives(probe, leaf, here, rng, fast)
        for column in columns:
            pairing = Pairing(column, numbers, rtol, rng)
            found.append((pairing.pair()._replace(order=order), pairing.by_element()))
    return found
