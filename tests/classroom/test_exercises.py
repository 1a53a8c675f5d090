"""The exercises: each is right, and wrong with each of its mistakes."""

import inspect

import pytest

from tinygrad_mlp.classroom import exercises
from tinygrad_mlp.cli import options
from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.verify import check_derivation

EXERCISES = pytest.mark.parametrize("name", exercises.EXERCISES)


def report(program):
    names = {}
    exec(program, names)
    point = {p: names[p] for p in inspect.signature(names["loss"]).parameters}
    return check_derivation(names["loss"], names["derived"], point)


@EXERCISES
def test_the_derivation_of_an_exercise_is_right(name):
    assert report(exercises.exercise(name)).ok


@EXERCISES
def test_each_mistake_makes_it_wrong(name):
    assert len(exercises.mistakes(name)) >= 5
    for number in range(1, len(exercises.mistakes(name)) + 1):
        found = report(exercises.exercise(name, number))
        assert not found.ok, exercises.mistakes(name)[number - 1]


def test_the_command_line_completes_their_names():
    assert options.EXERCISES == exercises.EXERCISES


def test_an_unknown_exercise_or_mistake_is_refused():
    with pytest.raises(InvalidArgumentError, match="the name must be one of 'ridge'"):
        exercises.exercise("tensor_calculus")
    with pytest.raises(InvalidArgumentError, match="has the mistakes 1 to 5"):
        exercises.exercise("ridge", 99)
