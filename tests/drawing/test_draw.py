"""Pictures of graphs: what is in them, how they are written, and how they fold."""

import re
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_mlp as tg
from tinygrad_mlp.drawing import graphviz
from tinygrad_mlp.errors import (
    DataNotFoundError,
    GraphReleasedError,
    InvalidArgumentError,
    MissingToolError,
    NotDifferentiableError,
    ShapeError,
)

needs_graphviz = pytest.mark.skipif(not shutil.which("dot"), reason="Graphviz is not installed")


def classic(rng, reduction="sum"):
    W1 = tg.Tensor(rng.normal(size=(4, 3)), requires_grad=True, name="W1")
    W2 = tg.Tensor(rng.normal(size=(2, 4)), requires_grad=True, name="W2")
    x, y = rng.normal(size=(3, 1)), np.array([[1.0], [0.0]])
    loss = tg.nn.squared_error(tg.sigmoid(W2 @ tg.tanh(W1 @ x)), y, reduction=reduction)
    return loss, W1, W2


def deep(rng, layers, width=6):
    modules = [tg.nn.Linear(3, width, rng=rng), tg.nn.Sigmoid()]
    for _ in range(layers - 1):
        modules += [tg.nn.Linear(width, width, rng=rng), tg.nn.Sigmoid()]
    model = tg.nn.Sequential(*modules)
    return tg.mean(model(rng.normal(size=(2, 3)))), model


def boxes(drawing):
    return {vertex.title: vertex for vertex in drawing.scene.vertices}


def arrows(drawing):
    titles = {vertex.key: vertex.title for vertex in drawing.scene.vertices}
    return {(titles[edge.tail], titles[edge.head]): edge for edge in drawing.scene.edges}


def test_a_picture_has_the_names_calls_and_shapes_of_the_graph(rng):
    drawing = tg.draw(classic(rng)[0])
    assert {title: (box.kind, *box.lines) for title, box in boxes(drawing).items()} == {
        "W1": ("parameter", "(4, 3)"),
        "x": ("data", "(3, 1)"),
        "z2": ("result", "matmul(W1, x)", "(4, 1)"),
        "a2": ("result", "tanh(z2)", "(4, 1)"),
        "W2": ("parameter", "(2, 4)"),
        "z3": ("result", "matmul(W2, a2)", "(2, 1)"),
        "a3": ("result", "sigmoid(z3)", "(2, 1)"),
        "y": ("data", "(2, 1)"),
        "L": ("output", "squared_error(a3, y, reduction='sum')", "()"),
    }
    assert set(arrows(drawing)) == {
        ("W1", "z2"), ("x", "z2"), ("z2", "a2"), ("a2", "z3"), ("W2", "z3"), ("z3", "a3"),
        ("a3", "L"), ("y", "L"),
    }


def test_names_are_those_of_the_derivation(rng):
    loss, *_ = classic(rng)
    derived = {equation.name for equation in tg.explain(loss).of_kind("forward")}
    assert derived <= set(boxes(tg.draw(loss)))


def test_a_network_given_data_by_name_shows_that_name(rng):
    pixels = rng.normal(size=(2, 3))
    model = tg.nn.Linear(3, 2, rng=rng)
    assert "pixels" in boxes(tg.draw(tg.sum(model(pixels)), names={"pixels": pixels}))


def test_plain_numbers_and_parameters_of_a_call_stand_in_it(rng):
    x = tg.Tensor(rng.normal(size=(2, 3)), requires_grad=True, name="x")
    drawing = tg.draw(tg.mean(2.5 * x**3, axis=0))
    calls = [box.lines[0] for box in drawing.scene.vertices]
    assert calls == ["(2, 3)", "power(x, 3)", "multiply(2.5, v1)", "mean(v2, axis=0)"]


def test_a_prediction_is_not_called_a_loss(rng):
    model = tg.nn.Sequential(tg.nn.Linear(3, 2, rng=rng), tg.nn.Tanh())
    assert "L" not in boxes(tg.draw(model(rng.normal(size=(4, 3)))))


def test_many_arguments_are_cut_short(rng):
    parts = [tg.Tensor(float(i), requires_grad=True, name=f"p{i}") for i in range(9)]
    box = boxes(tg.draw(tg.stack(parts).sum()))["v1"]
    assert box.lines[0] == "stack(p0, p1, p2, and 6 more)"


def test_another_dtype_than_the_usual_one_is_shown():
    x = tg.Tensor(np.ones(2, np.float32), requires_grad=True, name="x")
    assert boxes(tg.draw(tg.sum(x)))["x"].lines == ("(2,) float32",)


def test_what_is_used_twice_by_one_operation_has_one_arrow_that_says_so():
    x = tg.Tensor(np.ones(2), requires_grad=True, name="x")
    drawing = tg.draw(x * x)
    assert [edge.uses for edge in drawing.scene.edges] == [2]
    assert "×2" in drawing.dot


def test_an_operation_of_several_outputs_is_one_box(rng):
    @tg.op(
        rules={"x": lambda g, y, x: g[0] + 2 * g[1]}, outputs=2, register=False,
    )
    def once_and_twice(x):
        return x + 0, 2 * x

    x = tg.Tensor(np.ones(2), requires_grad=True, name="x")
    one, two = once_and_twice(x)
    drawing = tg.draw(tg.sum(one * two), values=True, gradients=True)
    (made,) = [box for box in drawing.scene.vertices if box.lines[0] == "once_and_twice(x)"]
    assert made.title == "v1, v2"
    assert made.lines[1] == "(2,), (2,)"
    (edge,) = [edge for edge in drawing.scene.edges if edge.tail == made.key]
    assert edge.uses == 2


def test_a_leaf_alone_is_a_picture_of_one_box():
    drawing = tg.draw(tg.Tensor([1.0], requires_grad=True, name="w"))
    assert [(v.title, v.kind) for v in drawing.scene.vertices] == [("w", "parameter")]
    assert drawing.scene.edges == []


# -- layers ------------------------------------------------------------------------------------


def members(drawing):
    titles = {vertex.key: vertex.title for vertex in drawing.scene.vertices}
    return {group.title: {titles[key] for key in group.keys} for group in drawing.scene.groups}


def test_layers_are_groups_numbered_from_the_input(rng):
    assert members(tg.draw(classic(rng)[0])) == {
        "layer 2: 3 → 4, tanh": {"W1", "z2", "a2"},
        "layer 3: 4 → 2, sigmoid": {"W2", "z3", "a3"},
    }


def test_a_bias_that_is_added_belongs_to_its_layer(rng):
    W = tg.Tensor(rng.normal(size=(3, 2)), requires_grad=True, name="W")
    b = tg.Tensor(np.zeros(2), requires_grad=True, name="b")
    drawing = tg.draw(tg.sum(tg.relu(rng.normal(size=(5, 3)) @ W + b)))
    ((title, inside),) = members(drawing).items()
    assert title == "layer 2: 3 → 2, relu"
    assert {"W", "b", "z2", "a2"} <= inside and "L" not in inside and "x" not in inside


def test_with_a_model_groups_are_called_as_its_modules(rng):
    model = tg.nn.Sequential(
        tg.nn.Linear(6, 4, rng=rng), tg.nn.LayerNorm(4), tg.nn.ReLU(), tg.nn.Linear(4, 2, rng=rng)
    )
    drawing = tg.draw(tg.sum(model(rng.normal(size=(3, 6)))), model=model)
    groups = members(drawing)
    assert list(groups) == ["0 Linear(6, 4)", "1 LayerNorm(4), relu", "3 Linear(4, 2)"]
    calls = {
        vertex.lines[0].partition("(")[0]
        for vertex in drawing.scene.vertices if vertex.title in groups["1 LayerNorm(4), relu"]
    }
    assert {"mean", "sqrt", "divide", "multiply", "add", "relu"} <= calls


def test_convolutions_and_their_pooling_are_layers(rng):
    model = tg.nn.Sequential(tg.nn.Conv2d(1, 2, 3, rng=rng), tg.nn.Tanh(), tg.nn.MaxPool2d(2))
    drawing = tg.draw(tg.sum(model(rng.normal(size=(1, 1, 6, 6)))))
    ((title, inside),) = members(drawing).items()
    assert title == "layer 2: 2 kernels of 3×3, tanh, max_pool2d"
    assert len(inside) == 5


def test_weights_that_are_used_again_and_again_are_in_no_group(rng):
    W = tg.Tensor(rng.normal(size=(3, 3)), requires_grad=True, name="W")
    drawing = tg.draw(tg.sum(W @ tg.tanh(W @ np.ones(3))))
    assert drawing.scene.groups == []


# -- folding -----------------------------------------------------------------------------------


def test_a_deep_network_is_folded_into_its_first_and_last_layers(rng):
    loss, model = deep(rng, 100)
    drawing = tg.draw(loss, model=model)
    assert drawing.scene.operations == 201
    assert len(drawing.scene.vertices) <= 20
    (fold,) = [box for box in drawing.scene.vertices if box.kind == "fold"]
    assert fold.title == "97 × the same again"
    assert fold.lines == ("linear, sigmoid", f"with 194 parameters, {97 * 42:,} numbers")
    # Blocks begin where layers do, so that those beside the fold are whole.
    assert all(len(inside) == 4 for inside in members(drawing).values())
    titles = list(members(drawing))
    assert titles == [
        "0 Linear(3, 6), sigmoid", "2 Linear(6, 6), sigmoid", "198 Linear(6, 6), sigmoid"]


def test_shown_and_folded_operations_are_all_there_are(rng):
    loss, _ = deep(rng, 40)
    scene = tg.draw(loss).scene
    (fold,) = [box for box in scene.vertices if box.kind == "fold"]
    times = int(fold.title.split()[0])
    results = [box for box in scene.vertices if box.kind in ("result", "output")]
    assert len(results) + 2 * times == scene.operations


def test_a_recurrent_network_folds_by_time_steps(rng):
    U, V = (tg.Tensor(rng.normal(size=(4, n)), requires_grad=True, name=name)
            for n, name in ((3, "U"), (4, "V")))
    h = np.zeros(4)
    for _ in range(50):
        h = tg.tanh(U @ rng.normal(size=3) + V @ h)
    drawing = tg.draw(tg.sum(h))
    (fold,) = [box for box in drawing.scene.vertices if box.kind == "fold"]
    assert fold.title == "47 × the same again"
    assert fold.lines == ("matmul ×2, add, tanh", "with 47 data, 141 numbers")
    assert arrows(drawing)[("U", fold.title)].uses == 47


def test_equal_operations_in_a_line_are_one_box():
    x = y = tg.Tensor(0.5, requires_grad=True, name="x")
    for _ in range(200):
        y = tg.tanh(y)
    scene = tg.draw(y).scene
    assert [box.title for box in scene.vertices if box.kind == "fold"] == ["197 × the same again"]
    assert len(scene.vertices) == 5
    assert x.grad is None


def test_a_line_without_repetition_is_one_box():
    rng = np.random.default_rng(3)
    y = tg.Tensor(0.5, requires_grad=True, name="x")
    for _ in range(60):
        y = rng.choice([tg.tanh, tg.sin, tg.cos, tg.sigmoid])(y) * float(rng.normal())
    scene = tg.draw(y).scene
    (fold,) = [box for box in scene.vertices if box.kind == "fold"]
    assert fold.title == "118 operations in a line"
    assert fold.lines[0].startswith("multiply ×59, ")


def irregular(seed, n=200):
    """A graph of about `n` operations in which nothing repeats."""
    rng = np.random.default_rng(seed)
    found = [tg.Tensor(rng.normal(size=(3, 3)), requires_grad=True) for _ in range(3)]
    for _ in range(n):
        u, v = (found[-1 - rng.integers(5 if len(found) > 5 else 3)] for _ in range(2))
        found.append(rng.choice([lambda u, v: tg.tanh(u), lambda u, v: u + v, lambda u, v: u * v,
                                 lambda u, v: u @ found[0], lambda u, v: tg.sin(u)])(u, v))
    return tg.sum(sum(found[-n:]))


@pytest.mark.parametrize("seed", range(4))
def test_a_long_graph_without_repetitions_still_fits_a_page(seed):
    scene = tg.draw(irregular(seed)).scene
    assert scene.operations > 350  # and as many additions
    assert len(scene.vertices) <= 40
    titles = [re.match(r"(\d+) operations:", box.title) for box in scene.vertices]
    hidden = sum(int(title.group(1)) for title in titles if title)
    again = sum(int(box.title.split()[0]) for box in scene.vertices if "again" in box.title)
    shown = sum(box.kind in ("result", "output") for box in scene.vertices)
    assert hidden + again + shown == scene.operations
    assert [box.kind for box in scene.vertices].count("output") == 1


def test_stretches_begin_where_little_is_handed_on(rng):
    x = tg.Tensor(rng.normal(size=3), requires_grad=True)
    for _ in range(30):  # thirty different blocks, each of which hands on one result
        f, g, h = rng.choice([tg.tanh, tg.sin, tg.cos, tg.sigmoid, tg.relu], 3)
        u, v = f(x), g(x)
        x = h(u * v) + u + v
    scene = tg.draw(tg.sum(x)).scene
    leaving = Counter(edge.tail for edge in scene.edges)
    stretches = [box.key for box in scene.vertices if box.kind == "fold"]
    assert 5 < len(stretches) < 30
    assert {leaving[key] for key in stretches} == {1}


def two_blocks(rng):
    """A loss, recorded with its lines, of two calls of a function of two lines."""
    x, W = (tg.Tensor(rng.normal(size=(3, 3)), requires_grad=True, name=name) for name in "xW")

    def block(x):
        u = tg.tanh(x @ W) * 2 + tg.sin(x)
        return u / tg.sqrt(tg.sum(u**2) + 1)

    with tg.debug():
        return tg.mean(block(tg.cos(block(x)) + x))


def test_the_operations_of_a_line_of_the_program_become_a_box(rng):
    drawing = tg.draw(two_blocks(rng), fold="line")
    titles = [box.title.partition(": ")[2] for box in drawing.scene.vertices if box.kind == "fold"]
    lines = ["u = tg.tanh(x @ W) * 2 + tg.sin(x)", "return u / tg.sqrt(tg.sum(u**2) + 1)"]
    assert titles == [*lines, "return tg.mean(block(tg.cos(block(x)) + x))", *lines]
    assert boxes(drawing)["L"].kind == "output"
    folds = [box for box in drawing.scene.vertices if box.kind == "fold"]
    assert folds[0].title.startswith("test_draw.py, line ")
    assert folds[0].lines == ("matmul, tanh, multiply, sin, add",)


def test_the_operations_of_a_module_become_a_box_with_its_parameters(rng):
    model = tg.nn.Sequential(
        tg.nn.Linear(6, 4, rng=rng), tg.nn.LayerNorm(4), tg.nn.ReLU(), tg.nn.Linear(4, 2, rng=rng))
    drawing = tg.draw(tg.sum(model(rng.normal(size=(3, 6)))), model=model, fold="module")
    assert [box.title for box in drawing.scene.vertices] == [
        "L", "0 Linear(6, 4)", "1 LayerNorm(4), relu", "3 Linear(4, 2)"]
    assert boxes(drawing)["0 Linear(6, 4)"].lines == (
        "linear", "with 2 parameters, 28 numbers", "with 1 data, 18 numbers")
    assert drawing.scene.groups == []


@pytest.mark.parametrize("fold", ["line", "module"])
def test_what_repeats_is_folded_before_places_are(rng, fold):
    with tg.debug():
        loss, model = deep(rng, 40)
    titles = list(boxes(tg.draw(loss, model=model, fold=fold)))
    assert "37 × the same again" in titles
    assert len(titles) <= 12


def test_arrows_of_a_folded_graph_make_no_cycle(rng):
    graphs = [(loss, True) for loss in (
        deep(rng, 40)[0], classic(rng)[0], irregular(0), irregular(1))]
    for loss, fold in [*graphs, (two_blocks(rng), "line")]:
        drawing = tg.draw(loss, fold=fold)
        below = {vertex.key: set() for vertex in drawing.scene.vertices}
        for edge in drawing.scene.edges:
            below[edge.tail].add(edge.head)
        while below:  # take away, again and again, what leads nowhere
            ends = [key for key, heads in below.items() if not heads & set(below)]
            assert ends
            for key in ends:
                del below[key]


@pytest.mark.parametrize(("layers", "fold", "folded"), [
    (5, "auto", False), (5, True, True), (40, "auto", True), (40, False, False),
])
def test_folding_can_be_chosen(rng, layers, fold, folded):
    scene = tg.draw(deep(rng, layers)[0], fold=fold).scene
    assert any(box.kind == "fold" for box in scene.vertices) == folded


@settings(max_examples=40)
@given(st.lists(st.sampled_from(["tanh", "double", "square", "branch"]), max_size=60))
def test_every_operation_is_shown_or_counted_once(names):
    x = y = tg.Tensor(np.array([0.3, -0.2]), requires_grad=True)
    for name in names:
        y = {
            "tanh": lambda y: tg.tanh(y), "double": lambda y: 2 * y, "square": lambda y: y * y,
            "branch": lambda y: tg.sin(y) + y * x,
        }[name](y)
    y = tg.sum(y)
    scene = tg.draw(y, fold=True, gradients=True).scene
    counted = sum(box.kind in ("result", "output") for box in scene.vertices)
    for box in scene.vertices:
        if box.kind == "fold":
            parts = re.findall(r"\w+(?: ×(\d+))?(?:, |$)", box.lines[0])
            block = sum(int(n or 1) for n in parts)
            times = int(box.title.split()[0]) if "again" in box.title else 1
            counted += times * block
    assert counted == scene.operations
    keys = {vertex.key for vertex in scene.vertices}
    assert all({edge.tail, edge.head} <= keys for edge in scene.edges)


# -- values and gradients ----------------------------------------------------------------------


def test_values_are_shown_on_demand():
    x = tg.Tensor([1.0, 2.0, 6.0], requires_grad=True, name="x")
    drawing = boxes(tg.draw(tg.sum(x), values=True))
    assert drawing["x"].lines[-1] == "value: mean 3, from 1 to 6"
    assert drawing["L"].lines[-1] == "value: 9"


def test_arrows_show_values_shares_of_gradients_or_local_derivatives():
    w = tg.Tensor(0.5, requires_grad=True, name="w")
    a = tg.tanh(w * 2.0)
    loss = a * a + a

    def labels(what):
        drawing = tg.draw(loss, arrows=what, names={"a": a})
        return {ends: arrow.label for ends, arrow in arrows(drawing).items()}

    t = np.tanh(1.0)
    assert labels("value")[("w", "v1")] == "0.5"
    assert labels("derivative")[("w", "v1")] == "2"
    assert labels("derivative")[("v1", "a")] == f"{1 - t**2:.3g}"
    assert labels("gradient")[("v1", "a")] == f"{(2 * t + 1) * (1 - t**2):.3g}"
    assert labels("gradient")[("a", "v2")] == f"{t:.3g}"  # of each of the two uses
    assert set(labels(None).values()) == {""}
    assert "0.42" in tg.draw(loss, arrows="derivative").dot


def test_of_arrays_an_arrow_shows_the_least_and_the_greatest_number(rng):
    x = tg.Tensor(np.array([0.0, 1.0]), requires_grad=True, name="x")
    W = tg.Tensor(rng.normal(size=(2, 2)), requires_grad=True, name="W")
    drawing = tg.draw(tg.sum(W @ tg.exp(x)), arrows="derivative")
    found = {ends: arrow.label for ends, arrow in arrows(drawing).items()}
    assert found[("x", "a1")] == "1 … 2.72"
    assert found[("W", "z2")] == ""  # a Jacobian


def test_gradients_are_those_of_the_backward_pass(rng):
    loss, W1, W2 = classic(rng)
    drawing = tg.draw(loss, gradients=True)
    assert W1.grad is None  # looking changes nothing
    loss.backward()  # and the graph is still there
    for W in (W1, W2):
        g = W.grad
        (line,) = [line for line in boxes(drawing)[W.name].lines if line.startswith("gradient")]
        found = [float(n.replace("−", "-")) for n in re.findall(r"[−\d.e]+\d", line)]
        np.testing.assert_allclose(found, [g.mean(), g.min(), g.max()], rtol=6e-3)
        (edge,) = [e for (tail, _), e in arrows(drawing).items() if tail == W.name]
        assert edge.gradient == pytest.approx(np.abs(g).mean(), rel=1e-12)
    assert arrows(drawing)["y", "L"].gradient is None


def test_a_vanishing_gradient_is_drawn_ever_thinner(rng):
    loss, _ = deep(rng, 6)
    drawing = tg.draw(loss, gradients=True)
    widths = [
        float(re.search(rf"{box.key} -> .*penwidth=([\d.]+)", drawing.dot)[1])
        for box in drawing.scene.vertices if box.lines[0].startswith("linear")
    ]
    assert len(widths) == 6
    assert widths == sorted(widths) and widths[0] < 1.3 and widths[-1] > 2.5


def test_no_gradient_and_no_number_are_told_apart():
    x = tg.Tensor([1.0, 2.0], requires_grad=True, name="x")
    assert re.search("x0 -> v0.*style=dashed", tg.draw(tg.sum(x * 0.0), gradients=True).dot)
    with np.errstate(all="ignore"):
        bad = tg.draw(tg.sum(x * np.inf), gradients=True)
    assert "not finite" in bad.dot


def test_drawing_under_debug_still_checks():
    x = tg.Tensor([1.0, 0.0], requires_grad=True, name="x")
    with tg.debug():
        y = tg.sum(tg.sqrt(x))
        with pytest.raises(tg.errors.NonFiniteError):
            tg.draw(y, gradients=True)


# -- text and files ------------------------------------------------------------------------------

ODD = [
    'a"b', "a\\nb", "<b>&amp;", "a\nb", "]];{}", "ä→∂ 数", "", "\x00\x1b", "x" * 300, " ", "node",
]


@pytest.mark.parametrize("name", ODD)
def test_odd_names_are_escaped(name):
    x = tg.Tensor([1.0], requires_grad=True, name=name)
    drawing = tg.draw(tg.sum(tg.tanh(x)))
    labels = re.findall(r"label=<(.*)>", drawing.dot)
    assert len(labels) == 4  # three boxes and the legend, none of them broken in two
    for label in labels:
        ElementTree.fromstring(f"<label>{label}</label>")  # it is well formed
    if shutil.which("dot"):
        svg = ElementTree.fromstring(drawing.svg)
        assert len(svg.findall(".//*[@class='node']")) == 3


def test_the_text_has_every_box_arrow_and_group(rng):
    drawing = tg.draw(classic(rng)[0])
    for vertex in drawing.scene.vertices:
        assert len(re.findall(rf"^  {vertex.key} \[label=", drawing.dot, re.MULTILINE)) == 1
    forward, back = r"^  (\w+) -> (\w+)(?!.*dir=back)", r"^  (\w+) -> (\w+).*dir=back"
    written = set(re.findall(forward, drawing.dot, re.MULTILINE))
    written |= {(b, a) for a, b in re.findall(back, drawing.dot, re.MULTILINE)}
    assert written == {(edge.tail, edge.head) for edge in drawing.scene.edges}
    assert drawing.dot.count("subgraph cluster_") == 2
    assert "rankdir=TB" in drawing.dot
    assert "rankdir=LR" in tg.draw(classic(rng)[0], direction="right").dot


@needs_graphviz
def test_svg_is_laid_out_by_graphviz(rng):
    drawing = tg.draw(classic(rng)[0], values=True, gradients=True)
    svg = ElementTree.fromstring(drawing.svg)
    assert len(svg.findall(".//*[@class='node']")) == 9
    assert len(svg.findall(".//*[@class='edge']")) == 8
    assert len(svg.findall(".//*[@class='cluster']")) == 2
    assert drawing._repr_svg_() == drawing.svg
    assert drawing._repr_html_().startswith('<img src="data:image/svg+xml;base64,')


@needs_graphviz
@pytest.mark.parametrize("bias", [True, False])
def test_no_arrow_crosses_the_title_of_a_frame(rng, bias):
    model = tg.nn.Sequential(
        tg.nn.Linear(64, 256, bias=bias, rng=rng), tg.nn.Tanh(),
        tg.nn.Linear(256, 10, bias=bias, rng=rng))
    svg = ElementTree.fromstring(tg.draw(tg.mean(model(np.ones((1, 64)))), model=model).svg)
    lines = [re.findall(r"(-?[\d.]+),(-?[\d.]+)", path.get("d"))
             for path in svg.iterfind(".//*[@class='edge']/*[@d]")]
    titles = svg.findall(".//*[@class='cluster']/{*}text")
    assert titles and len(lines) > 3
    for title in titles:
        left, y = float(title.get("x")), float(title.get("y"))
        right = left + 4.8 * len(title.text)  # the mean width of a letter
        at = [float(line[0][0]) for line in lines if float(line[0][1]) < y < float(line[-1][1])]
        assert at and not [x for x in at if left < x < right], title.text


@needs_graphviz
@pytest.mark.parametrize(
    ("ending", "magic"), [("svg", b"<?xml"), ("PNG", b"\x89PNG"), ("pdf", b"%PDF")]
)
def test_a_picture_is_saved_in_the_format_of_its_ending(rng, tmp_path, ending, magic):
    path = tmp_path / f"graph.{ending}"
    tg.draw(classic(rng)[0]).save(path)
    assert path.read_bytes().startswith(magic)


def test_without_graphviz_there_is_the_text_and_a_clear_message(rng, tmp_path, monkeypatch):
    monkeypatch.setattr(graphviz.shutil, "which", lambda name: None)
    drawing = tg.draw(classic(rng)[0])
    drawing.save(tmp_path / "graph.dot")
    assert (tmp_path / "graph.dot").read_text(encoding="utf-8") == drawing.dot == str(drawing)
    with pytest.raises(MissingToolError, match=r"apt install graphviz.*\.dot"):
        _ = drawing.svg
    with pytest.raises(MissingToolError):
        drawing.save(tmp_path / "graph.svg")
    assert not (tmp_path / "graph.svg").exists()
    assert drawing._repr_svg_() is None
    assert "apt install graphviz" in drawing._repr_html_()
    assert "digraph {" in drawing._repr_html_()


def test_what_graphviz_complains_of_is_passed_on(monkeypatch):
    monkeypatch.setattr(graphviz.shutil, "which", lambda name: "dot")
    failed = subprocess.CompletedProcess([], 1, b"", b"syntax error in line 1")
    monkeypatch.setattr(graphviz.subprocess, "run", lambda *a, **k: failed)
    with pytest.raises(MissingToolError, match="syntax error in line 1"):
        graphviz.render("digraph {", "svg")


def test_a_picture_says_what_is_in_it(rng):
    shown = repr(tg.draw(classic(rng)[0]))
    assert shown == "<Drawing of 5 operations: 9 boxes, of them 2 parameters and 2 data>"


def released():
    x = tg.Tensor([1.0], requires_grad=True)
    y = tg.sum(tg.tanh(x))
    y.backward()
    return y


VECTOR = tg.Tensor([1.0, 2.0], requires_grad=True)


@pytest.mark.parametrize(
    ("draw", "error", "message"),
    [
        (lambda: tg.draw(np.ones(2)), NotDifferentiableError, "Got ndarray"),
        (lambda: tg.draw(tg.Tensor([1.0])), NotDifferentiableError, "nothing was recorded"),
        (lambda: tg.draw(released()), GraphReleasedError, r"draw\(\).*retain_graph=True"),
        (lambda: tg.draw(VECTOR * 2, gradients=True), ShapeError, r"\(2,\)"),
        (lambda: tg.draw(VECTOR, fold="always"), InvalidArgumentError,
         "'auto', 'module', 'line'. Got 'always'"),
        (lambda: tg.draw(VECTOR * 2, fold="module"), InvalidArgumentError, "give it as model="),
        (lambda: tg.draw(VECTOR * 2, fold="line"), InvalidArgumentError, r"under tg\.debug\(\)"),
        (lambda: tg.draw(VECTOR, direction="up"), InvalidArgumentError, "'down', 'right'"),
        (lambda: tg.draw(VECTOR * 2, names={"x": np.ones(2)}), InvalidArgumentError,
         r"draw\(\): names"),
        (lambda: tg.draw(VECTOR, model=3), InvalidArgumentError, "must be a Module"),
        (lambda: tg.draw(VECTOR).save("graph.jpg"), InvalidArgumentError,
         r"'\.dot', '\.gv', '\.svg'.*'\.jpg'"),
        (lambda: tg.draw(VECTOR).save("no/such/graph.dot"), DataNotFoundError, "no folder"),
    ],
)
def test_what_cannot_be_drawn_is_refused(draw, error, message):
    with pytest.raises(error, match=message):
        draw()
