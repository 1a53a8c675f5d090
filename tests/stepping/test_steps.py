"""One pass as steps: its numbers are those of the backward pass, and each has its line of NumPy."""

import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_mlp as tg
from tests.campaigns import chosen
from tests.one_output import each_output
from tinygrad_mlp.autograd.ops.samples import samples_of
from tinygrad_mlp.errors import (
    DataNotFoundError,
    GraphReleasedError,
    InvalidArgumentError,
    NotDifferentiableError,
    ShapeError,
)
from tinygrad_mlp.explanation.derivation import tape_of
from tinygrad_mlp.graph_view.layer_view import Recorded
from tinygrad_mlp.graph_view.naming import Naming
from tinygrad_mlp.program.graph_program import graph_program
from tinygrad_mlp.stepping.heat_map import LARGEST, heat_map


def parameter(rng, name, *shape):
    return tg.Tensor(rng.normal(size=shape), requires_grad=True, name=name)


def layered(rng):
    model = tg.nn.Sequential(tg.nn.Linear(2, 3, rng=rng), tg.nn.Tanh(), tg.nn.Linear(3, 2, rng=rng))
    probabilities = tg.softmax(model(rng.normal(size=(1, 2))))
    return tg.nn.categorical_cross_entropy(probabilities, np.eye(2)[:1])


def by_hand(rng):
    W, b = parameter(rng, "W", 3, 2), parameter(rng, "b", 3)
    return tg.sum(tg.tanh(W @ np.array([0.5, -1.0]) + b) ** 2 + tg.sum(W * W))


def attention(rng):
    X, (Wq, Wk, Wv) = rng.normal(size=(3, 4)), (parameter(rng, f"W{k}", 4, 4) for k in "qkv")
    weights = tg.softmax((X @ Wq) @ (X @ Wk).T / 2, axis=-1)
    return tg.sum((weights @ (X @ Wv) - X) ** 2)


def lenet(rng):
    model = tg.nn.Sequential(
        tg.nn.Conv2d(1, 2, 3, rng=rng), tg.nn.ReLU(), tg.nn.AvgPool2d(2), tg.nn.Flatten(),
        tg.nn.Linear(18, 3, rng=rng))
    return tg.nn.categorical_cross_entropy(
        tg.softmax(model(rng.normal(size=(1, 1, 8, 8)))), np.eye(3)[:1])


def residual(rng):
    x, W = rng.normal(size=(2, 3)), parameter(rng, "W", 3, 3)
    h = tg.gelu(x @ W)
    return tg.mean((h + tg.tanh(h @ W)) ** 2)


GRAPHS = (layered, by_hand, attention, lenet, residual)

every_graph = pytest.mark.parametrize("graph", GRAPHS, ids=lambda graph: graph.__name__)


def every_sample():
    rng = np.random.default_rng(5)
    for op in tg.OPS.values():
        for number, sample in enumerate(samples_of(op, rng)):
            args, static = op.bind(sample.args, sample.static)
            places = [i for i, a in enumerate(args)
                      if np.asarray(a).dtype.kind == "f" and op.rule(i) is not None]
            if places and number < chosen(1, 99):
                yield from ((row, args, static, places) for row in each_output(op))


def loss_of(op, args, static, places):
    leaves = {i: tg.Tensor(args[i], requires_grad=True, name=f"p{i}") for i in places}
    return tg.sum(tg.sin(op(*(leaves.get(i, a) for i, a in enumerate(args)), **static)))


SAMPLES = list(every_sample())


def gradients(loss):
    """The gradients of the leaves, by name, as the backward pass computes them."""
    leaves = Recorded(loss).leaves().values()
    for leaf in leaves:
        leaf.grad = None
    loss.backward(retain_graph=True)
    return [leaf.grad for leaf in leaves]


def assert_sums(found):
    """Every gradient of a step is the sum of its products."""
    for step in found:
        followed = {step.entry: step.uses} if step.uses else {}
        for entry, uses in {**step.entries, **followed}.items():
            scale = max(np.abs(step.value).max(), 1)
            for use in uses:
                assert use.terms is not None
                products = sum(term.incoming * term.local for term in use.terms)
                assert products == pytest.approx(use.total, rel=1e-4, abs=1e-5 * scale)
            total = sum(use.total for use in uses)
            assert total == pytest.approx(step.value[entry], rel=1e-4, abs=1e-5 * scale)


@pytest.mark.parametrize("case", SAMPLES, ids=lambda case: case[0].name)
def test_through_every_operation_each_gradient_is_the_sum_of_its_products(case):
    loss = loss_of(*case)
    found = tg.steps(loss)
    assert_sums(found)
    wanted = gradients(loss)
    shown = [step.value for step in found if step.name.startswith("∂L/∂")]
    assert len(shown) == len(wanted)
    for right in wanted:
        assert any(a.shape == right.shape and np.allclose(a, right, rtol=1e-12, atol=0)
                   for a in shown)


@every_graph
@pytest.mark.parametrize("part", [0, 1, 2])
def test_with_names_of_results_each_formula_is_that_of_its_step(graph, part):
    loss = graph(np.random.default_rng(0))
    nodes = Recorded(loss).nodes[:-1]
    names = {f"r{i}": node.out for i, node in enumerate(nodes) if i % 3 == part}
    equations = {e.name: e for e in tape_of(loss, names).equations}
    steps = tg.steps(loss, names=names)
    assert any(step.name in names for step in steps)
    for step in steps:
        if step.formula is not None:
            equation = equations[step.name]
            assert str(equation) == f"{step.name} = {step.formula.text}"
            np.testing.assert_allclose(equation.evaluate(), step.value, rtol=1e-9, atol=1e-12)


def test_local_names_of_results_stand_in_the_formulas(rng):
    w = parameter(rng, "w", 3)
    hidden = tg.tanh(w)
    found = tg.steps(tg.sum((1 + hidden) * 2), names={"hidden": hidden})
    texts = {step.name: step.formula.text for step in found}
    assert texts["hidden"] == "tanh(w)" and texts["v1"] == "1 + hidden"


@pytest.mark.parametrize("case", SAMPLES, ids=lambda case: case[0].name)
def test_the_program_of_a_graph_computes_its_gradients(case):
    loss = loss_of(*case)
    graph = Recorded(loss)
    written = graph_program(graph, Naming(graph, {}))
    written.program.check()
    results, _ = written.program.run([v.data for v in written.program.inputs])
    np.testing.assert_allclose(results[0], loss.data, rtol=1e-6)
    for right in gradients(loss):
        assert any(np.shape(a) == right.shape and np.allclose(a, right, rtol=1e-5, atol=1e-7)
                   for a in results[1:])


@pytest.mark.parametrize(("shape", "words"), [
    ((2, LARGEST), ""), ((2, 2 * LARGEST + 1), "Shown: one column in 3."),
    ((2 * LARGEST, 2 * LARGEST), "Shown: one row in 2 and one column in 2."),
])
def test_a_heat_map_says_what_it_leaves_out(shape, words):
    assert heat_map(np.zeros(shape), (1, 1)).left_out == words


def test_looking_at_a_pass_gives_no_tensor_a_gradient():
    w = tg.Tensor([1.0, 2.0], requires_grad=True)
    z = w * 3
    z.retain_grad()
    loss = tg.sum(tg.tanh(z))
    tg.steps(loss)
    tg.draw(loss, gradients=True)
    assert w.grad is None and z.grad is None
    loss.backward()
    np.testing.assert_array_equal(w.grad, 3 * z.grad)


@every_graph
def test_the_steps_are_those_of_the_graph_and_their_gradients_those_of_backward(graph, rng):
    loss = graph(rng)
    found = tg.steps(loss)
    assert_sums(found)
    names = [step.name for step in found]
    assert len(set(names)) == len(names) and names[names.index("L̄") - 1] == "L"
    wanted = gradients(loss)
    shown = [step.value for step in found if step.name.startswith("∂L/∂")]
    for right in wanted:
        assert any(np.array_equal(a, right) for a in shown)


@every_graph
def test_each_step_has_the_formula_of_the_derivation_and_a_line_of_numpy(graph, rng):
    found = tg.steps(graph(rng))
    assert all(step.formula is not None for step in found)
    for step in found:  # a transpose is written where it is used, and a constant has no line
        if step.kind == "forward":
            assert step.call.startswith("transpose") or re.match(r"\w+ = ", step.code[-1])
        elif np.ptp(step.value) and not step.uses[0].call.startswith("transpose"):
            assert step.code, step.name


@every_graph
def test_the_lines_of_a_step_are_lines_of_the_program_and_each_belongs_to_some_step(graph, rng):
    found = tg.steps(graph(rng))
    program = found.content.program
    for step in found:
        assert [program[line].strip() for line in step.lines] == list(step.code)
    start = next(i for i, line in enumerate(program) if line.startswith("def "))
    body = {i for i, line in enumerate(program) if i > start and " = " in line}
    assert body == {line for step in found for line in step.lines}


@every_graph
def test_an_entry_is_followed_from_the_loss_to_the_first_parameter(graph, rng):
    found = tg.steps(graph(rng))
    by_name = {step.name: step for step in found}
    for step in found:
        if step.uses and step.uses[0].terms and "," not in step.uses[0].incoming:
            after = by_name.get(step.uses[0].incoming)
            outputs = [term.output for term in step.uses[0].terms]
            assert after is None or after.entry in outputs or len(step.uses) > 1


def test_a_product_shows_the_incoming_gradient_and_the_local_derivative():
    w = tg.Tensor([0.5, -1.0], requires_grad=True, name="w")
    step = tg.steps(tg.sum(tg.tanh(w) * np.array([3.0, 4.0])))["∂L/∂w"]
    (use,), slope = step.uses, 1 - np.tanh(0.5) ** 2
    assert (use.incoming, use.call, step.entry) == ("v̄1", "tanh(w)", (0,))
    ((output, incoming, local),) = use.terms
    assert (output, incoming) == ((0,), 3.0) and local == pytest.approx(slope, rel=1e-14)


def test_a_value_that_is_used_twice_has_a_product_for_each_use():
    w = tg.Tensor(2.0, requires_grad=True, name="w")
    step = tg.steps(w * w * w)["∂L/∂w"]
    calls = [use.call for use in step.uses]
    assert calls == ["multiply(v1, w)", "multiply(w, w)", "multiply(w, w)"]
    assert sum(use.total for use in step.uses) == step.value == 12


@given(st.integers(0, 2), st.integers(0, 1))
@settings(max_examples=chosen(6, 6), deadline=None)
def test_a_chosen_entry_of_a_parameter_is_followed_to_the_loss(i, j):
    rng = np.random.default_rng(3)
    W = parameter(rng, "W", 3, 2)
    found = tg.steps(tg.sum(tg.tanh(W @ np.array([0.5, -1.0])) ** 2), follow=("W", (i, j)))
    entries = {step.name: step.entry for step in found}
    assert entries["∂L/∂W"] == (i, j) and entries["δ2"] == entries["z2"] == entries["ā2"] == (i,)
    assert found["∂L/∂W"].uses[0].terms[0].output == (i,)


@tg.op(register=False, rules={"x": lambda g, y, x: g * np.array([2 * float(a) for a in x])})
def square(x):
    return x**2


@pytest.mark.filterwarnings("ignore::tinygrad_mlp.errors.RawNumbersWarning")
def test_a_rule_on_plain_arrays_has_products_but_no_program():
    x = tg.Tensor([1.0, 2.0], requires_grad=True, name="x")
    found = tg.steps(tg.sum(square(x)))
    assert_sums(found)
    assert found.content.program == () and "number" in found.content.missing
    assert "There is no program" in found.html


@pytest.mark.parametrize(("seed", "size"), [(seed, size) for seed in range(4) for size in (2, 7)])
def test_no_gradient_is_changed_by_looking_at_the_steps(seed, size):
    rng = np.random.default_rng(seed)
    W = parameter(rng, "W", size, size)
    loss = tg.sum(tg.tanh(W @ W))
    tg.steps(loss)
    assert W.grad is None
    loss.backward()
    np.testing.assert_array_equal(W.grad, tg.grad(lambda W: tg.sum(tg.tanh(W @ W)))(W.data))


# -- a derivation by hand ------------------------------------------------------------------------

X, Y = np.random.default_rng(0).normal(size=6), np.eye(3)[1]


def loss(W1, W2):
    a2 = np.tanh(W1 @ X)
    return tg.nn.binary_cross_entropy(tg.sigmoid(W2 @ a2), Y)


def derived(W1, W2):
    a2 = np.tanh(W1 @ X)
    d3 = 1 / (1 + np.exp(-(W2 @ a2))) - Y
    d2 = W2.T @ d3 * (1 - a2)
    return {"W1": np.outer(d2, X), "W2": np.outer(d3, a2)}


def test_the_step_at_which_a_derivation_departs_has_their_value_beside_the_right_one(rng):
    point = {"W1": rng.normal(size=(4, 6)), "W2": rng.normal(size=(3, 4))}
    report = tg.verify.check_derivation(loss, derived, point)
    leaves = {k: tg.Tensor(a, requires_grad=True, name=k) for k, a in point.items()}
    found = tg.steps(loss(**leaves), report)
    step = found.departure
    a2 = np.tanh(point["W1"] @ X)
    d3 = 1 / (1 + np.exp(-(point["W2"] @ a2))) - Y
    assert step.name == "δ2" and step.departure.text == "d2 = W2.T @ d3 * (1 - a2)"
    np.testing.assert_allclose(step.departure.value, point["W2"].T @ d3 * (1 - a2))
    np.testing.assert_allclose(step.value, point["W2"].T @ d3 * (1 - a2**2))
    assert "Here the derivation departs" in found.html and "departing" in found.html
    assert "Here the derivation departs" in str(found) and "departs" in found.svg


def test_without_a_wrong_line_the_first_wrong_gradient_is_marked(rng):
    w = rng.normal(size=3)
    report = tg.verify.check_derivation(lambda w: tg.sum(w * w), {"w": w}, {"w": w})
    leaf = tg.Tensor(w, requires_grad=True, name="w")
    found = tg.steps(tg.sum(leaf * leaf), report)
    step = found.departure
    assert step.name == "∂L/∂w" and step.entry == report.rows["w"].worst


def test_a_right_derivation_departs_nowhere(rng):
    w = rng.normal(size=3)
    report = tg.verify.check_derivation(lambda w: tg.sum(w * w), {"w": 2 * w}, {"w": w})
    leaf = tg.Tensor(w, requires_grad=True, name="w")
    assert tg.steps(tg.sum(leaf * leaf), report).departure is None


# -- files ---------------------------------------------------------------------------------------


def test_a_page_of_a_small_network_is_small_and_needs_nothing_else(rng, tmp_path):
    found = tg.steps(layered(rng))
    found.save(tmp_path / "steps.html")
    text = (tmp_path / "steps.html").read_text(encoding="utf-8")
    assert text == found.html and len(text.encode()) < 60_000
    assert not re.search(r"(src|href)=\"(?!data:|#)|url\(|@import|https?://(?!www\.w3)", text)
    assert all(f'id="s{n}"' in text for n in range(1, len(found) + 1))
    assert "srcdoc" in found._repr_html_()


@every_graph
def test_an_animation_is_an_svg_picture_with_all_steps(graph, rng, tmp_path):
    found = tg.steps(graph(rng))
    found.save(tmp_path / "steps.svg")
    root = ElementTree.parse(tmp_path / "steps.svg").getroot()
    groups = [g for g in root if g.get("class", "").startswith("s ")]
    assert len(groups) == len(found) and root.tag.endswith("svg")


def test_equal_graphs_give_equal_pages():
    pages = [tg.steps(layered(np.random.default_rng(0))) for _ in range(2)]
    assert pages[0].html == pages[1].html and pages[0].svg == pages[1].svg


def test_text_is_shown_as_text_and_not_as_markup():
    w = tg.Tensor([1.0], requires_grad=True, name="<b>&w")
    found = tg.steps(tg.sum(w * w))
    assert "<b>&w" not in found.html
    ElementTree.fromstring(found.svg)


# -- mistakes ------------------------------------------------------------------------------------


def test_mistakes_are_told(rng, tmp_path):
    w = parameter(rng, "w", 3)
    with pytest.raises(NotDifferentiableError, match="requires a gradient"):
        tg.steps(tg.Tensor(1.0))
    with pytest.raises(ShapeError, match=r"\(3,\)"):
        tg.steps(w * 2)
    with pytest.raises(InvalidArgumentError, match="check_derivation"):
        tg.steps(tg.sum(w), {"w": 1})
    with pytest.raises(InvalidArgumentError, match="begins with a parameter"):
        tg.steps(tg.sum(w), follow=("v", (0,)))
    for entry in ((3,), (0, 0), "a", (0.5,)):
        with pytest.raises(InvalidArgumentError, match="an entry of w"):
            tg.steps(tg.sum(w), follow=(w, entry))
    found = tg.steps(tg.sum(w))
    with pytest.raises(InvalidArgumentError, match="html or .svg"):
        found.save(tmp_path / "steps.png")
    with pytest.raises(DataNotFoundError):
        found.save(tmp_path / "nowhere" / "steps.html")
    with pytest.raises(InvalidArgumentError, match="no step computes 'z9'"):
        found["z9"]
    loss = tg.sum(w * w)
    loss.backward()
    with pytest.raises(GraphReleasedError, match=r"steps\(\)"):
        tg.steps(loss)
