"""Tests of many samples: one test for each operation loops over them, and names the one that fails.

Thousands of small tests take most of their time in being collected and handed out.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Iterable, Iterator
from typing import Any


@contextlib.contextmanager
def naming(what: object) -> Iterator[None]:
    """Add to any error in the block with which of several things it occurred."""
    try:
        yield
    except Exception as error:
        error.add_note(f"This is with {what}.")
        raise


def every_sample(test: Callable[..., None]) -> Callable[..., None]:
    """Turn a test of one sample, its first argument, into one that loops over several.

    A test of a ``case`` takes the fixture ``case_samples`` instead, a list of such cases.
    """
    first, *others = inspect.signature(test).parameters.values()
    fixture = f"{first.name}_samples"

    @functools.wraps(test)
    def loop(**fixtures: Any) -> None:
        for number, sample in enumerate(fixtures.pop(fixture)):
            with naming(f"sample {number}: {getattr(sample, 'name', sample)}"):
                test(sample, **fixtures)

    several = inspect.Parameter(fixture, first.kind)
    loop.__signature__ = inspect.Signature([several, *others])  # type: ignore[attr-defined]
    return loop


def parametrize(metafunc: Any, name: str, samples: Iterable[Any]) -> None:
    """Hand a test that `every_sample` made the samples of one operation after the other."""
    fixture = f"{name}_samples"
    if fixture in metafunc.fixturenames:
        operations: dict[str, list[Any]] = {}
        for sample in samples:
            operations.setdefault(sample.op.name, []).append(sample)
        metafunc.parametrize(fixture, list(operations.values()), ids=list(operations))
