"""Backward rules of a recorded loss, written in the variables of a derivation."""

from __future__ import annotations

import ast

import numpy as np
import pytest

import tinygrad_mlp as tg
from tinygrad_mlp.verify.wrong_line.expressions.recorded_rules import RuleWriter
from tinygrad_mlp.verify.wrong_line.graph.loss_graph import LossGraph, value_of
from tinygrad_mlp.verify.wrong_line.recording.recorder import FunctionRecorder

X, C = np.arange(6.0).reshape(2, 3) / 5 - 0.3, np.array([[0.4, -1.1], [0.7, 0.3]])
ROW = X[0]
M = np.linspace(-1, 1, 10).reshape(2, 5)


def affine(W, b):
    Z = X @ W + b
    return np.sum(C * Z)


def activations(W, b):
    Z = X @ W + b
    A = np.tanh(Z)
    return np.sum(C * A**2)


def rectified(W, b):
    Z = X @ W + b
    A = np.maximum(Z, 0)
    return np.sum(C * (A + 1)**2)


def sigmoid_written_out(W, b):
    Z = X @ W + b
    A = 1 / (1 + np.exp(-Z))
    return np.sum(C * A**2)


def softmax_written_out(W, b):
    Z = X @ W + b
    E = np.exp(Z - Z.max(axis=1, keepdims=True))
    P = E / E.sum(axis=1, keepdims=True)
    return np.sum(C * P**2)


def used_twice(W, b):
    Z = X @ W + b
    return np.sum(C * Z) - np.sum(Z**2)


def centred(W, b):
    Z = X @ W + b
    D = Z - Z.mean(axis=0)
    return np.sum(C * D**3)


def one_sample(W, b):
    z = W.T @ ROW
    a = np.tanh(z + b)
    return np.sum(C[0] * a**2)


def with_joined_states(W, b):
    hx = np.concatenate([b, X[0]])
    return C[0] @ np.tanh(M @ hx) + C[1] @ np.sin(2 * M @ hx)


def library_softmax(W, b):
    Z = X @ W + b
    P = tg.softmax(Z)
    return np.sum(C * P**2)


def softmax_of_columns(W, b):
    Z = X @ W + b
    P = tg.softmax(Z, axis=0)
    return np.sum(C * P**2)


RULES = [
    (affine, "W", set(), "X.T @ C"),
    (affine, "b", set(), "C.sum(axis=0)"),
    (activations, "Z", {"dA", "A"}, "dA * (1 - A * A)"),
    (activations, "A", {"A"}, "C * (2 * A)"),
    (rectified, "Z", {"dA", "Z"}, "dA * (Z > 0)"),
    (sigmoid_written_out, "Z", {"dA", "A"}, "dA * A * (1 - A)"),
    (softmax_written_out, "Z", {"dP", "P"}, "P * (dP - (dP * P).sum(axis=-1, keepdims=True))"),
    (library_softmax, "Z", {"dP", "P"}, "P * (dP - (dP * P).sum(axis=-1, keepdims=True))"),
    (softmax_of_columns, "Z", {"dP", "P"}, "P * (dP - (dP * P).sum(axis=0, keepdims=True))"),
    (used_twice, "Z", {"Z"}, "C - 2 * Z"),
    (one_sample, "W", {"dz"}, "np.outer(ROW, dz)"),
    (centred, "Z", {"dD"}, "dD + (-dD).sum(axis=0)[None, :] / 2")]
"""A loss, a vertex, what the derivation holds of the graph besides the data, and ∂L/∂v in these."""


def graph_of(loss):
    rng = np.random.default_rng(1)
    point = {"W": rng.normal(size=(3, 2)), "b": rng.normal(size=2)}
    return LossGraph(FunctionRecorder(loss), point, lambda function, leaves: function(**leaves))


@pytest.mark.parametrize(("loss", "wanted", "known", "rule"), RULES)
def test_a_rule_is_written_as_people_write_it(loss, wanted, known, rule):
    graph = graph_of(loss)
    variables, cotangents = {"X": X, "C": C, "ROW": ROW}, {}
    for vertex in graph.vertices():
        name = graph.text(vertex)
        cotangents[name] = np.asarray(graph.cotangents.get(id(vertex), 0.0))
        variables |= {name: value_of(vertex)} if name in known else {}
        variables |= {f"d{name}": cotangents[name]} if f"d{name}" in known else {}
    made = [*RuleWriter(graph, variables).written(cotangents[wanted])]
    texts = [ast.unparse(ast.fix_missing_locations(each)) for each in made]
    assert rule in texts
    for text in texts:
        value, right = eval(text, {"np": np, **variables}), cotangents[wanted]
        assert np.allclose(value, right if value.shape == right.shape else right.T)


def test_nothing_is_written_without_the_variables_for_it():
    graph = graph_of(affine)
    wanted = next(graph.cotangents[id(v)] for v in graph.vertices() if graph.text(v) == "W")
    assert not [*RuleWriter(graph, {"X": X}).written(wanted)]


def test_what_a_part_of_joined_arrays_receives_from_one_user_is_written():
    graph = graph_of(with_joined_states)
    b = next(v.data for v in graph.vertices() if graph.text(v) == "b")
    du = C[0] * (1 - np.tanh(M @ np.r_[b, X[0]])**2)
    made = RuleWriter(graph, {"M": M, "du": du}).written((M.T @ du)[:2])
    assert "(M.T @ du)[:2]" in [ast.unparse(ast.fix_missing_locations(each)) for each in made]


def test_operations_that_only_give_the_same_numbers_are_not_taken_for_one():
    def loss(w):
        return np.mean((X @ w - 1)**2) + np.sum(((2 * X) @ w - 3)**2) + np.sum(
            w * X[0]) + np.sum(w * X[1])

    w = np.zeros(3)
    graph = LossGraph(FunctionRecorder(loss), {"w": w}, lambda f, point: f(**point))
    np.testing.assert_allclose(graph.gradients()["w"], tg.grad(loss)(w))
    products = [node for node in graph.nodes if node.op.name == "matmul"]
    assert len(products) == 2


def test_a_part_of_a_loss_that_is_written_twice_is_one_variable():
    def loss(w):
        return np.sum((X @ w)**2 * np.tanh(X @ w))

    graph = LossGraph(FunctionRecorder(loss), {"w": np.ones(3)}, lambda f, point: f(**point))
    assert sum(node.op.name == "matmul" for node in graph.nodes) == 1
