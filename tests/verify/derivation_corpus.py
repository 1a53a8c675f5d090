"""The corpus of wrong derivations: a right derivation in a file, and its mistakes one at a time.

`tests/verify/corpus/README.md` describes the files.
"""

from __future__ import annotations

import ast
import linecache
from collections.abc import Callable, Iterator
from difflib import SequenceMatcher
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tinygrad_mlp.classroom.exercises import LIST, PlantedMistake, planted

FOLDER = Path(__file__).parent / "corpus"
HALVES = ("tune", "held")


class Exercise(NamedTuple):
    """A loss and a derivation, right or wrong, loaded from source text.

    Attributes:
        name: the file, and the number of the mistake.
        half: ``"tune"`` or ``"held"``.
        mistake: the mistake in words; empty where the derivation is right.
        source: the text of the file, with the mistake in its place.
        lines: the lines of `source` that are accepted as the place of the mistake.
        right: the text of the right line or lines.
        functions: what the file defines.
    """

    name: str
    half: str
    mistake: str
    source: str
    lines: frozenset[int]
    right: str
    functions: dict[str, Any]

    @property
    def loss(self) -> Callable[..., Any]:
        return self.functions["loss"]

    @property
    def derived(self) -> Callable[..., Any]:
        return self.functions["derived"]

    def point(self, seed: int = 0) -> dict[str, Any]:
        """Return the parameters' values."""
        return self.functions["point"](np.random.default_rng(seed))


def files(half: str | None = None) -> list[Path]:
    """Return the files of one half of the corpus, or of both."""
    halves = HALVES if half is None else (half,)
    return [path for name in halves for path in sorted((FOLDER / name).glob("*.py"))]


@cache
def mistakes(path: Path) -> tuple[tuple[Any, ...], ...]:
    """Return the mistakes that a file lists."""
    tree = ast.parse(path.read_text())
    listed = [node.value for node in tree.body if isinstance(node, ast.Assign)
              and [ast.unparse(t) for t in node.targets] == ["MISTAKES"]]
    return tuple(ast.literal_eval(listed[0]))


def right(path: Path) -> Exercise:
    """Return the derivation of a file without a mistake."""
    return _exercise(path, _body(path), "", 0, frozenset(), "")


def wrong(path: Path) -> Iterator[Exercise]:
    """Yield the derivation of a file with each of its mistakes."""
    body = _body(path)
    for number, (good, bad, words, *more) in enumerate(mistakes(path), 1):
        source = planted(body, PlantedMistake(good, bad, words))
        lines = changed_lines(body, source)
        for text in more[0] if more else ():
            places = [i for i, line in enumerate(source.splitlines(), 1) if text in line]
            if not places:
                raise ValueError(f"{path.name}, mistake {number}: no line holds {text!r}.")
            lines |= set(places)
        yield _exercise(path, source, words, number, frozenset(lines), good)


def _body(path: Path) -> str:
    """Return a file's text above its list of mistakes."""
    return path.read_text().partition(LIST)[0] + "\n"


def changed_lines(before: str, after: str) -> set[int]:
    """Return the numbers of the lines that differ; of a deleted line, those on either side."""
    lines: set[int] = set()
    matcher = SequenceMatcher(None, before.splitlines(), after.splitlines(), autojunk=False)
    for tag, _, _, start, stop in matcher.get_opcodes():
        if tag != "equal":
            lines |= set(range(start + 1, stop + 1)) or {start, start + 1}
    return lines


def _exercise(path: Path, source: str, words: str, number: int, lines: frozenset[int],
              good: str) -> Exercise:
    name = f"{path.stem}-{number}" if number else path.stem
    # Its own file name, which no file has: the source is found in linecache, as that of a notebook.
    filename = f"<{path.parent.name}/{name}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(True), filename)
    functions: dict[str, Any] = {"__name__": name}
    exec(compile(source, filename, "exec"), functions)
    return Exercise(name, path.parent.name, words, source, lines, good, functions)
