"""The exercises: each is right, and wrong with each of its mistakes."""

import inspect

import numpy as np
import pytest

from tests.campaigns import chosen
from tinygrad_mlp.classroom import exercises
from tinygrad_mlp.cli import options
from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.verify import check_derivation

EXERCISES = pytest.mark.parametrize("name", exercises.EXERCISES)


def report(program, seed=0):
    names = {}
    exec(program, names)
    point = {p: names[p] for p in inspect.signature(names["loss"]).parameters}
    rng = np.random.default_rng(seed)
    return check_derivation(names["loss"], names["derived"], point, rng=rng, budget=0)


@EXERCISES
def test_the_derivation_of_an_exercise_is_right(name):
    for seed in range(3):
        assert report(exercises.exercise(name), seed).ok


def test_a_saturated_gate_is_no_mistake():
    for seed in (0, 10, 18, 21, 24):  # further points at which 1 − σ has lost half of its digits
        assert report(exercises.exercise("lstm"), seed).ok


def test_a_tiny_mistake_is_no_rounding():
    program = exercises.exercise("lstm").replace("dg = dc * i", "dg = dc * i * (1 + 1e-9)")
    assert not report(program).ok


@EXERCISES
def test_each_mistake_makes_it_wrong(name):
    assert len(exercises.mistakes(name)) >= 5
    for number in range(1, len(exercises.mistakes(name)) + 1, chosen(4, 1)):
        found = report(exercises.exercise(name, number))
        assert not found.ok, exercises.mistakes(name)[number - 1]


def test_the_command_line_completes_their_names():
    assert options.EXERCISES == exercises.EXERCISES


def test_an_unknown_exercise_or_mistake_is_refused():
    with pytest.raises(InvalidArgumentError, match="the name must be one of 'ridge'"):
        exercises.exercise("tensor_calculus")
    with pytest.raises(InvalidArgumentError, match="has the mistakes 1 to 5"):
        exercises.exercise("ridge", 99)
