"""Every operation with every sample of its record: the rows of the tables in this folder.

A test of `every_sample` that takes a `case` runs for all of them, one that takes a `smooth` one
for all that have a gradient. So a new operation is tested as soon as its record is written.
"""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

import tinygrad_mlp as tg
from tests.every_sample import parametrize
from tests.one_output import each_output
from tinygrad_mlp.autograd.ops.samples import samples_of


def read_only(a):
    """The array, locked: an operation that writes into its arguments fails."""
    if a is None:
        return None
    a = np.array(a)
    a.setflags(write=False)
    return a


def all_cases():
    rng = np.random.default_rng(7)
    for op in tg.OPS.values():
        for number, sample in enumerate(samples_of(op, rng)):
            args, static = op.bind(tuple(map(read_only, sample.args)), sample.static)
            for row in each_output(op):
                yield SimpleNamespace(
                    name=f"{row.name}-{number}",
                    op=row,
                    args=args,
                    static=static,
                    floats=[i for i, a in enumerate(args) if a is not None and a.dtype.kind == "f"],
                )


CASES = list(all_cases())


def pytest_generate_tests(metafunc):
    parametrize(metafunc, "case", CASES)
    parametrize(metafunc, "smooth", [case for case in CASES if not case.op.nondifferentiable])
