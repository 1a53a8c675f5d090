"""A rewritten function does what the original does, but for the change."""

import ast
import linecache
import traceback

import numpy as np
import pytest

from tinygrad_mlp.support.source_rewriting import copied, is_installed, rebound, source_of


def doubled(function, names=None):
    """Return the function with every number of its text doubled."""
    source = source_of(function)

    def change(original, copy):
        if isinstance(original, ast.Constant) and isinstance(original.value, (int, float)):
            return ast.copy_location(ast.Constant(2 * original.value), copy)
        return copy

    before = ast.dump(source.tree)
    made = rebound(function, source, copied(source.tree, change), names)
    assert ast.dump(source.tree) == before
    return made


def add_three(x, *, scale=1.0):
    return scale * x + 3


class Layer:
    def __init__(self):
        self.__hidden = 10

    def forward(self, x):
        return self.__hidden * x + 1

    def __call__(self, x):
        return x + 4


class Deep(Layer):
    def forward(self, x):
        return super().forward(x) + 5


first, second = (lambda x: x + 1), (lambda y: y + 7)
nested = [lambda a: lambda b: a + b + 1]


def test_defaults_are_taken_over():
    assert doubled(add_three)(1.0) == 7.0
    assert doubled(add_three)(1.0, scale=2.0) == 8.0
    assert add_three(1.0) == 4.0


def test_a_closure_keeps_its_cells():
    total = 0

    def add(x):
        nonlocal total
        total += x + 1
        return total

    assert doubled(add)(0) == 2 and total == 2
    assert add(0) == 3


def test_a_method_keeps_self_private_names_and_super():
    layer = Layer()
    assert doubled(layer.forward)(1) == 12
    assert doubled(Deep().forward)(1) == 11 + 10
    assert doubled(layer)(1) == 9
    assert doubled(Layer.forward)(layer, 1) == 12


def test_lambdas_on_one_line_are_told_apart():
    assert doubled(first)(0) == 2
    assert doubled(second)(0) == 14
    assert doubled(nested[0])(1)(1) == 4
    assert doubled(nested[0](1))(1) == 4


def test_a_decorated_definition_is_found_below_its_decorator():
    def same(function):
        return function

    @same
    @same
    def f(x):
        return x + 1

    assert doubled(f)(0) == 2


def test_further_names_are_seen_by_the_copy_only():
    source = source_of(add_three)

    def change(original, copy):
        if isinstance(original, ast.BinOp) and isinstance(original.op, ast.Mult):
            return ast.Call(ast.Name("<seen>", ast.Load()), [copy], [])
        return copy

    seen = []
    made = rebound(add_three, source, copied(source.tree, change),
                   {"<seen>": lambda v: seen.append(v) or v})
    assert made(2.0) == 5.0 and seen == [2.0]
    assert "<seen>" not in globals()


def test_an_error_names_the_line_of_the_original():
    def fails(x):
        y = x + 1
        return y / 0

    with pytest.raises(ZeroDivisionError) as caught:
        doubled(fails)(1)
    frame = traceback.extract_tb(caught.value.__traceback__)[-1]
    assert (frame.filename, frame.line) == (__file__, "return y / 0")


def test_a_notebooks_cell_is_source():
    text = "n = 5\ndef f(x):\n    return x + n + 1\n"
    name = "<cell 1>"
    linecache.cache[name] = (len(text), None, text.splitlines(True), name)
    space = {}
    exec(compile(text, name, "exec"), space)
    assert doubled(space["f"])(0) == 7
    assert source_of(space["f"]).text(source_of(space["f"]).tree.body[0]) == "return x + n + 1"


@pytest.mark.parametrize("function", [len, np.tanh, Layer, eval("lambda x: x + 1"), 3])
def test_what_has_no_source_is_told_by_none(function):
    assert source_of(function) is None


def test_a_function_of_a_file_that_was_edited_since_has_no_source(tmp_path):
    path = tmp_path / "edited.py"
    path.write_text("def f(x):\n    return x + 1\n")
    space = {}
    exec(compile(path.read_text(), str(path), "exec"), space)
    assert source_of(space["f"]) is not None
    path.write_text("import numpy\ndef f(x):\n    return x + 1\n")
    linecache.checkcache(str(path))
    assert source_of(space["f"]) is None


def test_functions_of_packages_are_told_from_those_of_users():
    assert is_installed(np.linalg.norm.__wrapped__) and is_installed(ast.parse)
    assert is_installed(source_of) and not is_installed(doubled)
