"""What a measurement gives: medians by contender, ready for JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Case:
    """One piece of work, done by several contenders.

    Attributes:
        name: by which targets and tables find it.
        medians: what was measured, by contender.
        unit: of the medians: seconds a "sample", a "step" or a "run"; or, where nothing is
            compared, "s", "MB", "kB" or "times".
        missing: contenders that are not installed here.
    """

    name: str
    medians: dict[str, float]
    unit: str
    missing: list[str] = field(default_factory=list)


def installed(
    makers: Mapping[str, Callable[..., Any]], *arguments: Any
) -> tuple[dict[str, Any], list[str]]:
    """What each maker makes, and the names of those whose framework is not installed."""
    made, missing = {}, []
    for name, make in makers.items():
        try:
            made[name] = make(*arguments)
        except ModuleNotFoundError as error:
            if str(error.name).partition(".")[0] in OURS:
                raise  # a mistake in this project is not a missing framework
            missing.append(name)
    return made, missing


OURS = ("tests", "tinygrad_mlp")
