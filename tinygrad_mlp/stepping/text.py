"""The words and numbers of steps, for every form in which they are shown."""

from __future__ import annotations

from collections.abc import Sequence

from tinygrad_mlp.drawing.summaries import format_number, summary
from tinygrad_mlp.stepping.chain_rule import MOST_TERMS, Entry
from tinygrad_mlp.stepping.step import FORWARD, Content, Step, Use

SHOWN_IN_FULL = 6
"""Elements of an array up to which all of them are written in a line."""


def number(x: float) -> str:
    """Return a number in three digits; a negative one in brackets, as a factor needs them."""
    return f"({format_number(x)})" if x < 0 else format_number(x)


def place(name: str, entry: Entry) -> str:
    """Return the name of an entry: ``W1[0, 2]``; of a number, its name."""
    return f"{name}[{', '.join(map(str, entry))}]" if entry else name


def products(uses: Sequence[Use]) -> str:
    """Return the sum of products that an entry of a gradient is.

    >>> from tinygrad_mlp.stepping.chain_rule import ChainTerm
    >>> products([Use("δ2", "tanh(z2)", -0.5, (ChainTerm((0,), 2.0, -0.25),))])
    '2 × (−0.25) = −0.5'
    """
    shown, rest, unknown = [], 0.0, 0.0
    for use in uses:
        known = use.terms or ()
        shown += [f"{number(t.incoming)} × {number(t.local)}" for t in known[:MOST_TERMS]]
        rest += sum(term.product for term in known[MOST_TERMS:])
        unknown += use.total if use.terms is None else 0.0
    left = sum(max(len(use.terms or ()) - MOST_TERMS, 0) for use in uses)
    if left:
        shown.append(f"{number(rest)} ({left} more)")
    if any(use.terms is None for use in uses):
        shown.append(number(unknown))
    return f"{' + '.join(shown) or '0'} = {format_number(sum(use.total for use in uses))}"


def numbers(step: Step) -> str:
    """Return the computation of the chosen entry, with its name."""
    if step.kind == FORWARD:
        return f"{place(step.name, step.entry)}: {step.numbers}" if step.numbers else ""
    if not step.uses:
        return f"{step.name} = 1, the derivative of the loss with respect to itself"
    return f"{place(step.name, step.entry)} = {products(step.uses)}"


def value(step: Step) -> str:
    """Return a small array in full, and a summary of a large one."""
    if step.value.size > SHOWN_IN_FULL:
        return summary(f"{step.value.shape}", step.value)
    shown = " ".join(format_number(x) for x in step.value.flat)
    return f"[{shown}]" if step.value.ndim else shown


def title(step: Step) -> str:
    """Return the equation of a step, or its call where no formula is known."""
    right = step.call if step.formula is None else step.formula.text
    return f"{step.name} = {right}" if right else step.name


def text(content: Content) -> str:
    """Return all steps as plain text."""
    lines: list[str] = []
    for count, step in enumerate(content.steps, 1):
        lines.append(f"{count:>3}  {title(step)}")
        inside = [value(step), numbers(step)]
        inside += [line.split("  #")[0].strip() for line in step.code]
        if step.departure is not None:
            inside += [f"Here the derivation departs: {step.departure.text or step.departure.said}"]
        lines += [f"     {line}" for line in inside if line]
    return "\n".join(lines)
