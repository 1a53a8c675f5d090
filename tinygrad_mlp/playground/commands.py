"""Every command that a page can give, each checked: the only way into a session."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, fields
from typing import Any

from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.support.checks import flag, integer_at_least, one_of

LARGEST = 65_536
"""Bytes of a message."""

UNITS = ("sample", "batch", "epoch")
EXPORTS = ("program", "weights", "report")
PIXELS = 28  # the side of a drawing


@dataclass(frozen=True)
class HelloCommand:
    """Tell a page everything, as it begins."""


@dataclass(frozen=True)
class RunCommand:
    """Train on, or pause."""

    on: bool

    def __post_init__(self) -> None:
        flag(self.on, "run: on")


@dataclass(frozen=True)
class StepCommand:
    """Take one step: on a sample, on a batch, or all steps of an epoch."""

    unit: str = "batch"

    def __post_init__(self) -> None:
        one_of(self.unit, UNITS, "step: unit")


@dataclass(frozen=True)
class SetCommand:
    """Change a setting (see `PlaySettings`)."""

    name: str
    value: Any


@dataclass(frozen=True)
class ResetCommand:
    """Begin again, with a seed."""

    seed: int

    def __post_init__(self) -> None:
        integer_at_least(0, self.seed, "reset: seed")


@dataclass(frozen=True)
class PresetCommand:
    """Begin with settings of a name."""

    name: str


@dataclass(frozen=True)
class SampleCommand:
    """Show the steps of one pass for a sample."""

    number: int

    def __post_init__(self) -> None:
        integer_at_least(0, self.number, "sample: number")


@dataclass(frozen=True)
class PickCommand:
    """Follow a weight through the steps: that from a source to a neuron of a layer, from 1.

    Without a source, it is the weight through which most of its input comes.
    """

    layer: int
    neuron: int
    source: int | None = None

    def __post_init__(self) -> None:
        integer_at_least(1, self.layer, "pick: layer")
        integer_at_least(0, self.neuron, "pick: neuron")
        if self.source is not None:
            integer_at_least(0, self.source, "pick: source")


@dataclass(frozen=True)
class ClassifyCommand:
    """Classify a drawing: rows of numbers from 0 to 1."""

    pixels: tuple[float, ...]

    def __post_init__(self) -> None:
        good = isinstance(self.pixels, list | tuple) and len(self.pixels) == PIXELS**2 and all(
            type(p) in (int, float) and 0 <= p <= 1 for p in self.pixels)
        if not good:
            raise InvalidArgumentError(
                f"classify: pixels must be {PIXELS**2} numbers from 0 to 1.")


@dataclass(frozen=True)
class PlantCommand:
    """Give the activation a wrong gradient rule; an empty one takes it away again."""

    rule: str


@dataclass(frozen=True)
class CheckCommand:
    """Check the gradient rule of the activation."""


@dataclass(frozen=True)
class ExportCommand:
    """Make a file of what has been trained."""

    what: str

    def __post_init__(self) -> None:
        one_of(self.what, EXPORTS, "export: what")


@dataclass(frozen=True)
class AckCommand:
    """A frame has been drawn, so that the next one may come."""


COMMANDS = {kind.__name__.removesuffix("Command").lower(): kind for kind in (
    HelloCommand, RunCommand, StepCommand, SetCommand, ResetCommand, PresetCommand, SampleCommand,
    PickCommand, ClassifyCommand, PlantCommand, CheckCommand, ExportCommand, AckCommand)}


def command(message: str | bytes | dict[str, Any]) -> Any:
    """Return the command of a message, JSON such as ``{"do": "step", "unit": "epoch"}``.

    >>> command('{"do": "step", "unit": "epoch"}')
    StepCommand(unit='epoch')
    """
    found = message if isinstance(message, dict) else _parsed(message)
    kind = COMMANDS.get(found["do"]) if isinstance(found.get("do"), str) else None
    if kind is None:
        raise InvalidArgumentError(f"a message must have 'do', one of {', '.join(COMMANDS)}.")
    given = {name: value for name, value in found.items() if name != "do"}
    known = {field.name for field in fields(kind)}
    try:
        return kind(**given)
    except TypeError as error:
        raise InvalidArgumentError(
            f"{found['do']} takes {', '.join(known) or 'nothing more'}. Got "
            f"{', '.join(map(str, given))[:80] or 'nothing'}.") from error


def _parsed(message: str | bytes) -> dict[str, Any]:
    if len(message) > LARGEST:
        raise InvalidArgumentError(f"a message must have at most {LARGEST} bytes.")

    def number(text: str) -> float:
        found = float(text)
        if not math.isfinite(found):
            raise InvalidArgumentError("a message must hold finite numbers.")
        return found

    try:
        found = json.loads(message, parse_constant=number, parse_float=number)
    except (ValueError, RecursionError) as error:
        raise InvalidArgumentError("a message must be a JSON object.") from error
    if not isinstance(found, dict):
        raise InvalidArgumentError("a message must be a JSON object.")
    return found
