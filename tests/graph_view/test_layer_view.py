"""The view of layers: what forms a layer, and the names on which all readings of a graph agree."""

import numpy as np
import pytest

import tinygrad_mlp as tg
from tinygrad_mlp import nn
from tinygrad_mlp.autograd.gradients import ancestors
from tinygrad_mlp.graph_view.layer_view import find_layers, in_sequence, named_parts
from tinygrad_mlp.graph_view.names import layer_number, of_places


def weight(rng, *shape, name=None):
    return tg.Tensor(rng.normal(size=shape), requires_grad=True, name=name)


def layers_of(output):
    return find_layers(ancestors([output.node]))


def names_of(output):
    """The names that the view suggests, with the operation whose result they are, if it is one."""
    return [
        (name, node.op.name if position is None else None)
        for node, position, name in named_parts(layers_of(output))
    ]


def test_a_layer_is_a_product_with_a_weight_a_bias_and_an_activation(rng):
    W, b = weight(rng, 4, 3), weight(rng, 4)
    a = tg.tanh(W @ rng.normal(size=3) + b)
    (layer,) = layers_of(a)
    assert layer.number == 2 and layer.sizes == (3, 4)
    assert layer.product.op is tg.OPS["matmul"] and layer.product[layer.weight] is W
    node, position = layer.bias
    assert node[position] is b and layer.z is node and layer.activation is a.node


@pytest.mark.parametrize("rows", [False, True])
def test_sizes_are_those_of_the_layer_in_both_conventions(rng, rows):
    x = rng.normal(size=(5, 3) if rows else (3, 5))
    z = x @ weight(rng, 3, 4) if rows else weight(rng, 4, 3) @ x
    assert layers_of(z)[0].sizes == (3, 4)
    assert layers_of(tg.linear(np.ones((5, 3)), weight(rng, 4, 3)))[0].sizes == (3, 4)


def test_names_count_from_the_input(rng):
    W1, b1, W2 = weight(rng, 4, 3), weight(rng, 4), weight(rng, 2, 4)
    y_hat = tg.sigmoid(W2 @ tg.tanh(W1 @ rng.normal(size=3) + b1))
    assert names_of(y_hat) == [
        ("W1", None), ("b1", None), ("z2", "add"), ("x", None),
        ("W2", None), ("z3", "matmul"), ("a2", "tanh"), ("a3", "sigmoid"),
    ]


def test_a_is_what_the_next_layer_takes(rng):
    model = nn.Sequential(
        nn.Linear(3, 4, bias=False, rng=rng), nn.ReLU(), nn.Dropout(0.5, rng=rng),
        nn.Linear(4, 2, bias=False, rng=rng),
    )
    names = dict(names_of(model(np.ones((1, 3)))))
    assert names["a2"] not in ("relu", "linear") and names["z3"] == "linear"


def test_a_function_of_several_operations_is_an_activation_between_layers_only(rng):
    W1, W2 = weight(rng, 4, 3), weight(rng, 2, 4)

    def g(z):
        return 1 / (1 + tg.exp(-z))

    names = dict(names_of(g(W2 @ g(W1 @ np.ones(3)))))
    assert names["a2"] == "divide" and "a3" not in names


def test_a_loss_that_takes_z_leaves_it_its_activation(rng):
    z = weight(rng, 2, 3) @ np.ones(3)
    y = np.array([1.0, 0.0])
    loss = tg.nn.sigmoid_cross_entropy(z, y) + tg.sum(tg.sigmoid(z))
    assert dict(names_of(loss))["a2"] == "sigmoid"


def test_a_product_that_has_a_name_is_z(rng):
    W, b = weight(rng, 4, 3), weight(rng, 4)
    net = W @ np.ones(3)
    net.name = "net"
    (layer,) = layers_of(net + b)
    assert layer.z is net.node and layer.bias is None


def test_what_is_no_parameter_is_no_bias(rng):
    (layer,) = layers_of(weight(rng, 3, 3) @ np.ones(3) + np.ones(3))
    assert layer.bias is None


@pytest.mark.parametrize("case", ["side by side", "the same weight", "no matrix", "no parameter"])
def test_what_is_no_sequence_of_layers_has_no_names(rng, case):
    W, x = weight(rng, 3, 3), np.ones(3)
    output = {
        "side by side": lambda: tg.tanh(W @ x) * tg.tanh(weight(rng, 3, 3) @ x),
        "the same weight": lambda: W @ tg.tanh(W @ x),
        "no matrix": lambda: weight(rng, 3) @ x,
        "no parameter": lambda: np.ones((3, 3)) @ tg.tanh(weight(rng, 3)),
    }[case]()
    assert names_of(output) == []
    assert in_sequence(layers_of(output)) == case.startswith("no ")


def test_the_number_is_read_off_a_name():
    assert [layer_number(text) for text in ("z2", "z_12", "a2", "z", "z2x", None)] == [
        2, 12, None, None, None, None,
    ]
    assert layer_number("a2", "a") == 2


# -- the four readings ----------------------------------------------------------------------------


def network(rng):
    return nn.Sequential(
        nn.Linear(3, 5, rng=rng), nn.Tanh(), nn.Linear(5, 4, rng=rng), nn.ReLU(),
        nn.Linear(4, 2, rng=rng), nn.Sigmoid(),
    )


LAYER_NAMES = {"z2", "a2", "z3", "a3", "z4", "a4", "W1", "b1", "W2", "b2", "W3", "b3"}


def test_derivation_picture_and_program_agree_on_all_names(rng):
    model, x, y = network(rng), rng.normal(size=(2, 3)), rng.normal(size=(2, 2))
    loss = tg.nn.squared_error(model(x), y)
    assert LAYER_NAMES <= {box.title for box in tg.draw(loss).scene.vertices}
    written = {equation.name for equation in tg.explain(loss).equations}
    assert {"z2", "a2", "z3", "a3", "z4", "a4", "δ2", "δ3", "δ4"} <= written
    assert {f"∂L/∂{name}" for name in ("W1", "b1", "W2", "b2", "W3", "b3")} <= written
    step = tg.compile(lambda x, y: tg.nn.squared_error(model(x), y).backward())
    step(x, y)
    lines = [line.strip() for line in step.readable.splitlines()]
    for name in ("z2", "a2", "z3", "a3", "z4", "a4", "delta4", "delta3", "delta2"):
        assert any(line.startswith(f"{name} = ") for line in lines), name
    arguments = next(line for line in lines if line.startswith("def ")).rstrip("):").split(", ")
    assert {"W1", "b1", "W2", "b2", "W3", "b3"} <= set(arguments)


def test_a_check_of_a_derivation_says_the_same_names(rng):
    x, y = rng.normal(size=3), rng.normal(size=2)
    point = {"V": rng.normal(size=(4, 3)), "c": rng.normal(size=4), "U": rng.normal(size=(2, 4))}

    def loss(V, c, U):
        return tg.nn.squared_error(tg.sigmoid(U @ tg.tanh(V @ x + c)), y)

    def derived(V, c, U):
        a2 = np.tanh(V @ x + c)
        a3 = 1 / (1 + np.exp(-U @ a2))
        delta3 = (a3 - y) * a3 * (1 - a3)
        return {"V": np.outer(U.T @ delta3, x), "delta3": delta3, "a2": a2}

    report = tg.verify.check_derivation(loss, derived, **point)
    assert [(term.name, term.ok) for term in report.terms] == [("delta3", True), ("a2", True)]
    assert "D2 = diag(1 − tanh²(z2))" in report.diagnoses["V"].message


def test_a_program_without_gradients_has_the_names_of_layers_too(rng):
    model = network(rng)

    @tg.compile
    def predict(x):
        with tg.no_grad():
            return model(x)

    predict(np.ones((2, 3)))
    lines = [line.split("#")[0].strip() for line in predict.readable.splitlines()]
    assert "a2 = np.tanh(z2)" in lines and "a4 = special.expit(z4)" in lines
    assert "def predict(x, W1, b1, W2, b2, W3, b3):" in lines


def test_depth_is_counted_through_operations_of_several_outputs(rng):
    @tg.op(rules={"x": lambda g, y, x: g[0] + 2 * g[1]}, outputs=2, register=False)
    def once_and_twice(x):
        return x + 0, 2 * x

    W1, W2 = weight(rng, 4, 3), weight(rng, 2, 4)

    def output(x):
        return W2 @ once_and_twice(W1 @ x)[1]

    assert [name for name, _ in names_of(output(np.ones(3)))] == ["W1", "z2", "x", "W2", "z3"]
    step = tg.compile(lambda x: tg.sum(output(x) ** 2).backward())
    step(np.ones(3))
    assert "z3 = " in step.readable


def test_a_name_of_a_parameter_is_the_end_of_its_path_and_no_name_is_given_twice():
    # As many as would take minutes if each were compared with all others.
    paths = [f"blocks.{i}.{k}.weight" for i in range(5000) for k in ("query", "key", "value")]
    found = of_places([*paths, "only.gate.weight", "a.b_c", "a_b.c", "a.b_c_2"])
    assert found["only.gate.weight"] == "gate_weight"
    assert found["blocks.7.key.weight"] == "blocks_7_key_weight"
    assert len(set(found.values())) == len(found)
