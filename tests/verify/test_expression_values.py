"""Values of edited expressions: what Python computes for them."""

import ast

import numpy as np
import pytest

from tinygrad_mlp.verify.wrong_line.expressions.evaluation import value_of, values_of_parts
from tinygrad_mlp.verify.wrong_line.expressions.syntax import parsed, replaced

rng = np.random.default_rng(0)
SCOPE = {"np": np, "A": rng.normal(size=(3, 4)), "b": rng.normal(size=3), "k": 2,
         "rows": [0, 2], "pair": (1.5, 2.5), "arguments": (2, 3), "named": {"axis": 0}}

EXPRESSIONS = [
    "A.T @ b", "-A / k", "A[1:, ::2]", "A[:, None, 1]", "A[rows]", "A.sum(axis=0, keepdims=True)",
    "np.exp(A) ** 2 % 3", "(A > 0) * A", "0 < k < 3", "np.full(*arguments)", "A.mean(**named)",
    "[x * k for x in pair]", "sum(x * k for x in pair)", "k if k > 1 else b", "not k", "~(A > 0)",
    "len(rows) // 2", "np.dot(b, [1, 2, 3])", "(lambda v: v + k)(b)", "k and b", "'text' + str(k)",
    "np.where(A > 0, A, 0)[0, -1]", "A @ A.T @ b", "(A != 0) & (A < 1) | (A >= 2) ^ (A <= 0)"]


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_values_are_those_that_python_computes(text):
    expected = eval(text, dict(SCOPE))
    assert np.array_equal(value_of(parsed(text), SCOPE, {}), expected)
    root = parsed(text)
    assert np.array_equal(values_of_parts(root, SCOPE)[id(root)], expected)


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_an_edit_changes_the_value_as_python_would(text):
    root = parsed(text)
    known = values_of_parts(root, SCOPE)
    for node in ast.walk(root):
        if isinstance(node, ast.Name) and node.id == "A":
            edited = replaced(root, node, parsed("2 * A"))
            expected = eval(ast.unparse(edited), dict(SCOPE))
            assert np.array_equal(value_of(edited, SCOPE, known), expected)
            assert ast.unparse(root) == ast.unparse(parsed(text))


def test_known_parts_are_not_evaluated_again():
    calls = []
    scope = {"f": lambda x: calls.append(x) or x, "a": 1, "b": 5}
    root = parsed("f(a) + b")
    known = values_of_parts(root, scope)
    edited = replaced(root, root.right, parsed("2 * b"))
    assert value_of(edited, scope, known) == 11 and calls == [1]
