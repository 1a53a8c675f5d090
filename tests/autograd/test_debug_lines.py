"""`debug`: the line of the user's program that a message points to."""

from __future__ import annotations

import inspect
import re

import numpy as np
import pytest

import tinygrad_mlp as tg
from tinygrad_mlp.autograd import call_site as callsite
from tinygrad_mlp.errors import NonFiniteError


def leaf(*numbers, name=None):
    return tg.Tensor(np.array(numbers, float), requires_grad=True, name=name)


def place(error):
    """Line and source that a message points to."""
    found = re.search(r" was called at (.*?):(\d+).*\n    (.*)", str(error.value))
    assert found[1] == __file__
    return int(found[2]), found[3]


def found_by(compute):
    with tg.debug(), pytest.raises(NonFiniteError) as caught:
        compute()
    return place(caught)


def test_the_line_is_that_of_the_innermost_function_of_the_user():
    def inner(x):
        return tg.log(x)  # here

    def outer(x):
        return inner(x) * 2

    assert found_by(lambda: outer(leaf(0))) == (
        inspect.getsourcelines(inner)[1] + 1, "return tg.log(x)  # here",
    )


def test_of_a_model_the_line_is_the_one_that_calls_it():
    model = tg.nn.Sequential(tg.nn.Linear(2, 2, rng=np.random.default_rng(0)), tg.nn.Tanh())
    x = np.array([[np.nan, 1]])

    def step():
        prediction = model(x)
        return prediction

    assert found_by(step) == (inspect.getsourcelines(step)[1] + 1, "prediction = model(x)")


def test_of_a_module_of_the_user_it_is_the_line_in_its_forward():
    class Scale(tg.nn.Module):
        def forward(self, x):
            return x / 0

    at = inspect.getsourcelines(Scale)[1] + 2
    assert found_by(lambda: tg.nn.Sequential(Scale())(leaf(1))) == (at, "return x / 0")


def test_of_a_statement_of_several_lines_it_is_the_one_with_the_call():
    x = leaf(0)

    def compute():
        return (
            tg.exp(x)
            + tg.log(x)
            + 1
        )

    assert found_by(compute) == (inspect.getsourcelines(compute)[1] + 3, "+ tg.log(x)")


def test_of_a_function_that_is_transformed_it_is_the_line_inside():
    def loss(x):
        return tg.log(x)

    expected = inspect.getsourcelines(loss)[1] + 1, "return tg.log(x)"
    assert found_by(lambda: tg.grad(loss)(0.0)) == expected
    assert found_by(lambda: tg.jvp(loss, (0.0,), (1.0,))) == expected


def test_of_decorated_functions_it_is_the_line_inside():
    @tg.no_grad()
    def evaluate(x):
        return tg.log(x)

    assert found_by(lambda: evaluate(leaf(0)))[1] == "return tg.log(x)"


@pytest.mark.parametrize(
    ("source", "shown"),
    {
        "part of a line": ("y = 1 + tg.log(x)", ["y = 1 + tg.log(x)", "        ^^^^^^^^^"]),
        "a whole line": ("tg.log(x)", ["tg.log(x)"]),
        "several lines": ("y = 1 + tg.log(\n  x)", ["y = 1 + tg.log("]),
    }.values(),
)
def test_the_expression_is_marked_if_it_is_part_of_one_line(source, shown, tmp_path):
    file = tmp_path / "program.py"
    file.write_text(source)
    with tg.debug(), pytest.raises(NonFiniteError) as caught:
        exec(compile(source, file, "exec"), {"tg": tg, "x": leaf(0)})
    lines = str(caught.value).splitlines()[2:-1]
    assert lines == [f"log() was called at {file}:1", *(f"    {line}" for line in shown)]


def test_the_expression_is_marked_although_the_line_holds_wider_characters():
    def compute():
        ŷ = leaf(0)
        return (ŷ + tg.log(ŷ), "…")

    with tg.debug(), pytest.raises(NonFiniteError) as caught:
        compute()
    shown, marked = str(caught.value).splitlines()[3:5]
    assert shown[marked.index("^") : marked.rindex("^") + 1] == "tg.log(ŷ)"


def test_where_there_is_no_user_it_is_the_outermost_call(monkeypatch):
    monkeypatch.setattr(callsite, "PACKAGES", "")
    with tg.debug(), pytest.raises(NonFiniteError, match=r"log\(\) was called at "):
        tg.log(leaf(0))


def test_of_code_without_a_file_it_is_the_number_alone():
    code = compile("\nx = tg.log(zero)\n", "<typed>", "exec")
    with tg.debug(), pytest.raises(NonFiniteError, match=r"called at <typed>:2\nKeep"):
        exec(code, {"tg": tg, "zero": leaf(0)})
