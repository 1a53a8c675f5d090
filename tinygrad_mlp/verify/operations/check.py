"""`check_op`: every check for one operation."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from copy import copy

import numpy as np

from tinygrad_mlp.autograd.functional import vjp
from tinygrad_mlp.autograd.op import Op, Sample
from tinygrad_mlp.autograd.ops.samples import samples_of
from tinygrad_mlp.errors import InvalidArgumentError, RawNumbersWarning
from tinygrad_mlp.support.checks import integer_at_least, not_negative
from tinygrad_mlp.verify.gradients.probe import undisturbed
from tinygrad_mlp.verify.operations.cases import OpCase
from tinygrad_mlp.verify.operations.equation import WrittenEquation
from tinygrad_mlp.verify.operations.equation_values import check_equation
from tinygrad_mlp.verify.operations.forward import check_forward, check_latex
from tinygrad_mlp.verify.operations.gradient_rules import check_rules
from tinygrad_mlp.verify.operations.report import Failure, OpReport


def check_op(op: Op, samples: Iterable[Sample] | None = None, *, seed: int = 0,
             rtol: float | None = None) -> OpReport:
    """Check that an operation does everything that its record promises.

    At every sample: forward against the reference; each gradient rule, and its own gradients,
    against complex steps or differences, as `check_grad` does it; the rule on arrays against the
    rule on Tensors; arguments that broadcast, are 0-d or empty, not contiguous, in Fortran order
    or read-only; float32 stays float32; nothing is changed in place; a compiled program gives the
    same at numbers it was not recorded at; the LaTeX shows every argument; the equation holds.

    Args:
        op: the operation. It need not be registered.
        samples: the arguments to try; by default those of its record, or ones drawn from `domain`.
        seed: the seed of all random draws.
        rtol: the tolerance for gradients, as in `check_grad`.

    Returns:
        An `OpReport`, in which every failure names the rule and the cause; print it, or call its
        `assert_ok()`.

    Raises:
        InvalidArgumentError: `op` is no operation, or there is no sample that it takes.

    >>> import tinygrad_mlp as tg
    >>> check_op(tg.tanh).ok
    True
    >>> wrong = tg.op(rules={"x": lambda g, y, x: -2 * g * x}, register=False)(lambda x: x * x)
    >>> check_op(wrong).failures[0].cause
    'sign'
    """
    if not isinstance(op, Op):
        raise InvalidArgumentError(
            f"check_op() expects an operation, made with @tg.op. Got {type(op).__name__}.")
    seed = integer_at_least(0, seed, "check_op: seed")
    if rtol is not None:
        rtol = not_negative(rtol, "check_op: rtol")
    cases = _cases(op, samples, seed, rtol)
    equation = WrittenEquation(op)
    with undisturbed(), warnings.catch_warnings():
        warnings.simplefilter("ignore", RawNumbersWarning)  # the report will say it
        results = [_check_case(case) for case in cases]
        found = [failure for failures, _ in results for failure in failures]
        for case in _emptied(cases) if not found else ():
            found += _check_empty(case)
        evaluated = 0
        if all(failure.rule == "latex" for failure in found):
            evaluated, wrong = check_equation(equation, cases)
            found += wrong
    checked = [case for case, (_, error) in zip(cases, results, strict=True) if error is not None]
    rules = sum(len(case.moving) for case in checked)
    checks = {"forward": len(cases), "gradients": rules, "replays": rules, "equation": evaluated}
    worst = max(error or 0.0 for _, error in results)
    notes = _notes(op, cases) + equation.notes()
    return OpReport(op, len(cases), checks, _summed_up(found, cases, checked), notes, worst, seed)


def _check_case(case: OpCase) -> tuple[list[Failure], float | None]:
    """Return the failures at a sample, and the largest error of its rules if they were checked."""
    found = [*check_latex(case), *check_forward(case)]
    if any(failure.rule == "forward" for failure in found) or not case.moving:
        return found, None  # gradients of a wrong function would be wrong, too
    if not any(case.args[i].size for i in case.moving):
        return found + _check_empty(case), None
    wrong, worst = check_rules(case)
    return found + wrong, worst


def _cases(op: Op, samples: Iterable[Sample] | None, seed: int, rtol: float | None) -> list[OpCase]:
    """Return the operation at each sample, or at those it accepts if the samples were made up."""
    rng = np.random.default_rng(seed)
    made_up = samples is None and op.record.samples is None
    cases, errors = [], []
    if samples is None:
        samples = list(samples_of(op, rng))
    if made_up:
        samples = [*samples, Sample(*(np.zeros((0, 3)) for _ in op.arrays), **op.defaults)]
    for sample in samples:
        try:
            case = OpCase(op, sample, seed, rtol)
            with np.errstate(all="ignore"):
                case.forward(case.copies())
        except Exception as error:
            errors.append(f"{sample}: {error}")
            if made_up and "read-only" not in str(error):
                continue
            raise
        cases.append(case)
    if not cases:
        raise InvalidArgumentError(
            f"check_op({op.name}) expects samples that the operation accepts. It accepts none of "
            f"those drawn for it ({errors[0] if errors else 'there were none'}). Pass some, as in "
            f"check_op({op.name}, [tg.Sample(array, ...), ...]), or give its record samples=.")
    return cases


def _emptied(cases: list[OpCase]) -> Iterator[OpCase]:
    """Yield the cases with an empty first argument, if forward and reference accept it."""
    for case in cases:
        if 0 not in case.moving or case.args[0].ndim == 0 or case.args[0].size == 0:
            continue
        empty = copy(case)
        empty.args = [case.args[0][:0], *case.args[1:]]
        empty.sample = f"{case.sample}, with nothing in the first array"
        try:
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                outs, wanted = empty.forward(empty.copies()), empty.reference()
            if wanted is not None and [a.shape for a in wanted] != [a.shape for a in outs]:
                continue
        except Exception:
            continue  # a maximum, for example, has no meaning without elements
        yield empty


def _check_empty(case: OpCase) -> list[Failure]:
    """Check that the rules accept arrays without elements: a batch may have none."""
    found = []
    for i in case.moving:
        try:
            with np.errstate(all="ignore"):
                outs, pullback = vjp(case.of(i), case.args[i])
                (share,) = pullback(outs)
            wanted = case.args[i].shape
            message = "" if share.shape == wanted else f"It gives shape {share.shape}."
        except Exception as error:
            message = f"{type(error).__name__}: {error}"
        if message:
            found.append(case.failure(i, "wrong shape", message))
    return found


def _summed_up(found: list[Failure], cases: list[OpCase], checked: list[OpCase]) -> list[Failure]:
    """Return one failure for each rule, with the likeliest cause."""
    chosen: list[Failure] = []
    for rule in dict.fromkeys(f.rule for f in found):
        mine = [f for f in found if f.rule == rule]
        counts = {c: sum(f.cause == c for f in mine) for c in dict.fromkeys(f.cause for f in mine)}
        # A number of elements can be a factor by chance (one element has no axes), so a specific
        # cause comes first, and then the one that explains the most samples.
        vague = ("wrong value", "factor", "sign", "wrong shape")
        specific = [c for c in counts if c not in vague]
        cause = max(specific or counts, key=lambda c: counts[c])
        if cause == "sign" and len(counts) > 1:
            cause = "factor" if "factor" in counts else "wrong value"
        first = next((f for f in mine if f.cause == cause), mine[0])
        if cause in vague and _only_broadcast(mine, cases, checked):
            first = first._replace(cause="missing broadcast reduction")
        chosen.append(first)
    return chosen


def _only_broadcast(mine: list[Failure], cases: list[OpCase], checked: list[OpCase]) -> bool:
    """Return whether a rule is right where no element is used twice, wrong only where one is."""
    samples, rule = {f.sample for f in mine}, mine[0].rule

    def used_twice(cases: Iterable[OpCase]) -> set[bool]:
        """Return whether the argument has fewer elements than the output, in each of the cases."""
        return {
            case.args[i].size < max(o.size for o in case.forward(case.copies()))
            for case in cases for i in case.moving if case.name(i) == rule}

    right = used_twice(case for case in checked if case.sample not in samples)
    wrong = used_twice(case for case in cases if case.sample in samples)
    return False in right and wrong == {True}


def _notes(op: Op, cases: list[OpCase]) -> list[str]:
    """Return what could not be checked, as the record does not say it."""
    notes = []
    if op.record.reference is None:
        notes.append("forward, as the record has no reference.")
    if not op.record.latex:
        notes.append("LaTeX, as the record has none: explanations write the function's name.")
    tried = {case.name(i) for case in cases for i in case.moving}
    for name, rule in zip(op.arrays, op.rules, strict=True):
        if rule is None and not op.nondifferentiable:
            notes.append(f"'{name}', which has no rule: not differentiable in this argument.")
        elif rule is not None and name not in tried:
            notes.append(f"the rule for '{name}': no sample has floating-point numbers for it.")
    return notes
