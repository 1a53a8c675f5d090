"""Nothing is left behind by trainings that are over."""

from __future__ import annotations

import gc
import linecache
import sys
import weakref

import numpy as np
import pytest

import tinygrad_mlp as tg
from tests.campaigns import chosen
from tinygrad_mlp.program.codegen.source import forget_lines

FITS = chosen(25, 200)
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(12, 3)), np.eye(2)[RNG.integers(0, 2, 12)]


def trained(compiled):
    """Train for a few steps with a loss and a callback of this training's own."""
    model = tg.nn.Sequential(tg.nn.Linear(3, 2, rng=np.random.default_rng(0)), tg.nn.Tanh())
    tg.fit(model, lambda p, y: tg.nn.softmax_cross_entropy(p, y),
           tg.optim.SGD(model.parameters(), 0.1, momentum=0.9), X, Y, epochs=1, batch_size=4,
           compiled=compiled, callbacks=[lambda run: None])


def program_files():
    forget_lines()  # as the next program does
    return [name for name in linecache.cache if name.startswith("<program")]


@pytest.mark.parametrize("compiled", [True, False])
def test_nothing_grows_from_fit_to_fit(compiled):
    def left(fits):
        for _ in range(fits):
            trained(compiled)
        gc.collect()
        files = len(program_files())
        return sys.getallocatedblocks(), files, len(weakref.finalize._registry)

    gc.collect()
    files = len(program_files())
    before = left(FITS)  # fills caches that have a limit
    after = left(FITS)
    assert after[1] <= files and after[2] <= before[2]
    assert after[0] - before[0] < 20 * FITS  # blocks: a program alone has thousands


def test_the_source_of_a_program_is_forgotten_with_the_program():
    gc.collect()
    before = program_files()
    compiled = tg.compile(lambda x: tg.tanh(x) * 2)
    for _ in range(3):
        compiled(np.ones(3))
    assert len(program_files()) == len(before) + 1
    del compiled
    gc.collect()
    assert program_files() == before
