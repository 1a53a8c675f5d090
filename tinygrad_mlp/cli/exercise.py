"""``tinygrad-mlp exercise``: a derivation with a mistake to find."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tinygrad_mlp.classroom import exercises
from tinygrad_mlp.cli.outputs import SUCCESS, check_outputs, labelled, wrapped, write_all
from tinygrad_mlp.cli.running import Outcome
from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.support.files import write_file


def exercise(name: str | None, *, mistake: str, out: Path | None, seed: int | None,
             solution: bool) -> Outcome:
    """Print or write an exercise; without a name list them all."""
    if name is None:
        titles = {one: exercises.title(one) for one in exercises.EXERCISES}
        return Outcome(SUCCESS, {"exercises": titles}, labelled(titles))
    check_outputs({"--out": out})
    known = exercises.mistakes(name)
    number = _number(mistake, len(known), seed)
    program = exercises.exercise(name, number)
    code = SUCCESS
    if out is None:
        print(program)
    else:
        code, _ = write_all({out: lambda path: write_file(path, program)})
    if solution and number is not None:
        found = known[number - 1]
        print(wrapped(f"The mistake: {found.words}."))
        wrong, right = next(pair for pair in zip(
            found.wrong.splitlines(), found.right.splitlines(), strict=True) if len(set(pair)) > 1)
        print(f"Wrong: {wrong.strip()}\nRight: {right.strip()}")
    elif out is not None and number is not None:
        print(wrapped(f"One line of it is wrong. Find it, then run: tinygrad-mlp check {out}"))
    return Outcome(code, {"exercise": name, "mistake": number, "program": program,
                          "solution": known[number - 1]._asdict() if number else None})


def _number(mistake: str, count: int, seed: int | None) -> int | None:
    """Return the mistake to plant: a number, one drawn at random, or None."""
    if mistake == "none":
        return None
    if mistake == "random":
        return int(np.random.default_rng(seed).integers(1, count + 1))
    if not (mistake.isascii() and mistake.isdigit()):
        raise InvalidArgumentError(
            f"--mistake must be a number from 1 to {count}, random or none. Got {mistake!r}.")
    return int(mistake)
