"""The glossary: every symbol that is printed is told, with its shape or its value."""

import re

import numpy as np
import pytest

import tinygrad_mlp as tg
from tests import blackboard
from tinygrad_mlp.explanation.expressions.expression import Application, Symbol
from tinygrad_mlp.explanation.repetition.loop_lines import at_each_step, joined, over_steps

CASES = blackboard.cases()
WRITTEN_BY_THE_FIRST = (at_each_step, over_steps, joined)


def printed(expression):
    """The names of the symbols in an expression that are shown, those of steps without these."""
    if isinstance(expression, Symbol):
        yield re.sub(r"_\{([tlh])[+−]1\}", r"_\1", expression.name.text)
    elif isinstance(expression, Application):
        first = expression.op in WRITTEN_BY_THE_FIRST
        for part in expression.parts()[: 1 if first else None]:
            yield from printed(part)


def told(glossary):
    """The names that lines of a glossary have, and what all lines with a name say of it."""
    found = {}
    for line in glossary:
        names, _, what = line.partition(": ") if ": " in line else line.partition(" = ")
        for name in names.split(", "):
            found.setdefault(name, []).append(what)
    return found


def of_all(name, letters):
    """The name for all steps that a name of one step belongs to, or the name itself."""
    numbered = re.fullmatch(r"(.*?)_?\d+", name)
    each = [f"{numbered[1]}_{index}" for index in "tlh"] if numbered else []
    return next((text for text in each if text in letters), name)


@pytest.mark.parametrize("row", CASES, ids=[f.__name__ for f, _ in CASES])
@pytest.mark.parametrize("level", ["closed", "steps"])
def test_every_symbol_that_is_printed_has_its_shape_in_the_glossary(row, level):
    equations = getattr(tg.explain(*row), level)
    known = told(equations.glossary)
    shown = {name for e in equations.equations for name in printed(e.right)}
    shown |= {name for e in equations.equations if e.kind != "gradient" for name in printed(e.left)}

    for name in shown - {"I"}:
        what = known.get(name) or known.get(of_all(name, known), [])
        assert any(re.match(r"\d+(×\d+)*|a number|[\d.e-]+$", text) for text in what), name


def test_what_is_told_of_heads_in_a_stack_is_what_is_told_of_heads_beside_each_other():
    stacked, beside = (
        told(tg.explain(*next(row for row in CASES if row[0].__name__ == name)).closed.glossary)
        for name in ("heads_in_a_stack", "heads_side_by_side"))
    own = ("Wq_h", "Q_h", "K_h", "V_h", "S_h", "A_h", "δA_h", "δS_h", "O", "X", "R")

    assert {name: sorted(stacked[name]) for name in own} == {
        name: sorted(beside[name]) for name in own}


def test_layers_of_different_sizes_have_their_shapes_in_order():
    function, values = next(row for row in CASES if row[0] is blackboard.deep_network)
    glossary = tg.explain(function, values).closed.glossary

    assert "W_l: 4×5, 5×6, 6×5, 5×3" in glossary and "b_l: 5, 6, 5, 3" in glossary
    assert "Z_l, δ_l: 6×5, 6×6, 6×5, 6×3" in glossary


def test_a_unit_matrix_is_told_once():
    def loss(W, X):
        return -tg.sum(tg.log_softmax(X @ W)[np.arange(3), np.arange(3)])

    values = {"W": tg.Tensor(np.ones((4, 3)), requires_grad=True), "X": np.ones((3, 4)) * 4}
    glossary = tg.explain(loss, values).closed.glossary
    assert [line for line in glossary if line.startswith("I")] == ["I: 3×3"]
