"""Right derivations and the mistakes that can be planted in them, for students to find.

Each file of `programs/` holds a loss, its derivation, the point, and `MISTAKES`: for each one the
right text, the wrong text, and the mistake in words.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any, NamedTuple

from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.support.checks import integer_at_least, one_of

EXERCISES = ("ridge", "logistic", "softmax", "classic", "mlp", "batch_norm", "convolution",
             "recurrent", "lstm", "attention")
"""The exercises, from easy to hard."""

LIST = "\nMISTAKES = "


class PlantedMistake(NamedTuple):
    """A mistake to plant: the right text, the wrong one, and what is wrong in words."""

    right: str
    wrong: str
    words: str


def split(text: str) -> tuple[str, list[PlantedMistake]]:
    """Return the program of an exercise's file, and the mistakes it lists."""
    program, _, listed = text.partition(LIST)
    entries: list[Any] = ast.literal_eval(listed)
    return program + "\n", [PlantedMistake(*entry[:3]) for entry in entries]


def planted(program: str, mistake: PlantedMistake) -> str:
    """Return a program with a mistake; its right text must occur once.

    >>> planted("a = b + c", PlantedMistake("b + c", "b - c", "the sign"))
    'a = b - c'
    """
    if program.count(mistake.right) != 1:
        raise InvalidArgumentError(
            f"exercise: the right text must occur once in the program. Got {mistake.right!r} "
            f"{program.count(mistake.right)} times.")
    return program.replace(mistake.right, mistake.wrong)


def title(name: str) -> str:
    """Return the first line of an exercise's file.

    >>> title("logistic")
    'Logistic regression on a batch.'
    """
    return str(ast.get_docstring(ast.parse(_text(name)))).partition("\n")[0]


def mistakes(name: str) -> list[PlantedMistake]:
    """Return the mistakes that can be planted in an exercise."""
    return split(_text(name))[1]


def exercise(name: str, number: int | None = None) -> str:
    """Return the program of an exercise: right, or with the mistake of this number.

    Raises:
        InvalidArgumentError: there is no such exercise, or no such mistake.
    """
    program, known = split(_text(name))
    if number is None:
        return program
    if integer_at_least(1, number, "exercise: mistake") > len(known):
        raise InvalidArgumentError(
            f"exercise: {name} has the mistakes 1 to {len(known)}. Got {number}.")
    return planted(program, known[number - 1])


def _text(name: str) -> str:
    one_of(name, EXERCISES, "exercise: the name")
    return (Path(__file__).parent / "programs" / f"{name}.py").read_text(encoding="utf-8")
