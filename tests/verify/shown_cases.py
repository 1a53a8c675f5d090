"""The ten cases that docs/check_your_derivation.md shows, made from the exercises that ship.

``python -m tests.verify.shown_cases`` prints them as they stand there.
"""

from __future__ import annotations

import inspect
import linecache
import textwrap

from tinygrad_mlp.classroom.exercises import exercise, title
from tinygrad_mlp.verify import check_derivation

CASES = {"softmax": 1, "logistic": 2, "ridge": 1, "mlp": 3, "classic": 1, "convolution": 2,
         "batch_norm": 5, "attention": 3, "recurrent": 4, "lstm": 3}
"""The number of the mistake that is shown of each exercise."""


def shown(name: str) -> str:
    """Return the heading and the message of one case."""
    source = exercise(name, CASES[name])
    filename = f"<{name}>"
    linecache.cache[filename] = len(source), None, source.splitlines(True), filename
    space: dict = {"__name__": name}
    exec(compile(source, filename, "exec"), space)
    point = {p: space[p] for p in inspect.signature(space["loss"]).parameters}
    report = check_derivation(space["loss"], space["derived"], point, budget=60)
    heading = title(name).rstrip(".")
    said = [textwrap.fill(each, 80, break_on_hyphens=False) for each in report.messages]
    text = "\n\n".join([*said, report.wrong_line])
    return f"**{heading}** (`{name}`)\n\n```text\n{text}\n```"


if __name__ == "__main__":
    print("\n\n".join(map(shown, CASES)))
