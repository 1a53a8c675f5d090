"""Network code with hand-written gradients, in the shapes that people's code has.

`tests/real/README.md` describes the files.
"""

from __future__ import annotations

import linecache
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from tests.verify.derivation_corpus import changed_lines

FOLDER = Path(__file__).parent / "pieces"
BELOW = "\ndef plain():"
"""Begins the part of a file that is not the person's."""

STYLES = ("layer functions", "layer object", "loss and gradients", "two functions", "step")
CONVENTIONS = ("scale", "decay", "clipping", "constant in the log", "clip active",
               "truncated")


@dataclass(frozen=True)
class Piece:
    """A file as it stands, or with one text in the place of another.

    Attributes:
        name: the file's name, and which of its changes was made.
        source: the text.
        lines: the lines of `source` where the mistake or the convention is; none in a right piece.
        words: the mistake or convention in words.
        module: what the text defines.
    """

    name: str
    source: str
    lines: frozenset[int]
    words: str
    module: ModuleType

    @property
    def table(self) -> dict[str, Any]:
        """What the file says of itself."""
        return self.module.TABLE

    def value(self) -> float:
        """Return the number whose gradients the piece has."""
        return float(self.module.plain()[0]())

    def given(self) -> dict[str, np.ndarray]:
        """Return the piece's own gradients by name."""
        _, arrays, given = self.module.plain()
        return {name: np.array(given[name], dtype=float) for name in arrays}

    def gradients(self) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Return the piece's own gradients, and central differences of what it computes."""
        given = self.given()
        value, arrays, _ = self.module.plain()
        return given, {name: central_differences(value, x) for name, x in arrays.items()}


def files() -> list[Path]:
    """Return the files of the corpus."""
    return sorted(FOLDER.glob("*.py"))


def as_it_stands(path: Path) -> Piece:
    """Return the piece that a file holds."""
    source = path.read_text()
    module = _module(path.stem, str(path), source)
    table = module.TABLE
    lines: set[int] = set()
    if "change" in table:
        lines = changed_lines(_changed(path, *table["change"]), source)
        for text in table.get("also", ()):
            lines |= {i for i, line in enumerate(source.splitlines(), 1) if text in line}
    return Piece(path.stem, source, frozenset(lines), table.get("says", ""), module)


def put_right(path: Path) -> Piece:
    """Return a wrong piece, or one with a convention, with its gradients made exact."""
    source = _changed(path, *as_it_stands(path).table["change"])
    name = f"{path.stem}-right"
    return Piece(name, source, frozenset(), "", _module(name, f"<real/{name}>", source))


def planted(path: Path) -> list[Piece]:
    """Return a right piece with each of the mistakes that its table lists."""
    text, pieces = path.read_text(), []
    for number, (good, bad, words) in enumerate(as_it_stands(path).table.get("mistakes", ()), 1):
        source, name = _changed(path, good, bad), f"{path.stem}-{number}"
        pieces.append(Piece(name, source, frozenset(changed_lines(text, source)), words,
                            _module(name, f"<real/{name}>", source)))
    return pieces


def recording_stores(piece: Piece) -> Piece:
    """Return a piece with the import line of the module whose arrays record what is stored."""
    source = piece.source.replace("import numpy as np", "import tinygrad_mlp.numpy as np", 1)
    name = f"{piece.name}-recording"
    return replace(piece, source=source, module=_module(name, f"<real/{name}>", source))


def central_differences(value: Callable[[], float], x: np.ndarray, step: float = 1e-5) -> Any:
    """Return the derivatives of ``value()`` by the elements of an array that it reads."""
    slopes = np.zeros(x.shape)
    for index in np.ndindex(x.shape):
        kept = x[index]
        x[index] = kept + step
        above = value()
        x[index] = kept - step
        below = value()
        x[index] = kept
        slopes[index] = (above - below) / (2 * step)
    return slopes


def _changed(path: Path, text: str, other: str) -> str:
    """Return a file's text with another text in the place of one."""
    body, below, rest = path.read_text().partition(BELOW)
    if not below or body.count(text) != 1:
        raise ValueError(f"{path.name}: {text!r} must occur once above plain(). "
                         f"It occurs {body.count(text)} times.")
    return body.replace(text, other) + below + rest


def _module(name: str, filename: str, source: str) -> ModuleType:
    """Run a text as a module, whose source Python's inspect finds."""
    module = ModuleType(f"tests.real.pieces.{name}")
    module.__file__ = filename
    linecache.cache[filename] = (len(source), None, source.splitlines(True), filename)
    sys.modules[module.__name__] = module
    state = np.random.get_state()  # people seed it
    exec(compile(source, filename, "exec"), module.__dict__)
    np.random.set_state(state)
    return module
