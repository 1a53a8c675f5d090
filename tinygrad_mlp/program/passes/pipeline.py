"""The passes in their order, each with the words in which a program tells what it has saved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from tinygrad_mlp.program.passes.columns import lie_in_columns
from tinygrad_mlp.program.passes.fuse_updates import accumulate_products, use_one_blas
from tinygrad_mlp.program.passes.memory import reuse_buffers, update_in_place
from tinygrad_mlp.program.passes.simplify import (
    count_views,
    decompose,
    fold_constants,
    remove_dead_code,
    remove_identities,
    share_subexpressions,
)
from tinygrad_mlp.program.passes.small_arrays import fill_numbers, scale_once, sum_by_products
from tinygrad_mlp.program.program import Program

Pass = Callable[[Program], tuple[Program, int]]
"""A function that returns the new program and how much it has saved."""

SIMPLIFYING: tuple[tuple[str, Pass], ...] = (
    ("left out what changes nothing", remove_identities),
    ("folded constants", fold_constants),
    ("left out what changes nothing", remove_identities),
    ("shared common sub-expressions", share_subexpressions),
    ("left out dead code", remove_dead_code))
OPTIMIZING: tuple[tuple[str, Pass], ...] = (
    ("multiplied by the learning rate once and not every gradient", scale_once),
    ("left out dead code", remove_dead_code),
    ("added products by BLAS where they belong", accumulate_products),
    ("read transposed matrices as views", count_views),
    ("added up the rows of small matrices by BLAS", sum_by_products),
    ("wrote numbers beside small arrays as arrays", fill_numbers),
    ("updated parameters and states in place", update_in_place),
    ("wrote results into memory that was there", reuse_buffers),
    ("left products to the BLAS that adds them", use_one_blas),
    ("let products lie column by column, as BLAS does", lie_in_columns))


def simplify(program: Program) -> Program:
    """Return a program of simple operations without what is superfluous: for reading."""
    return _passed(decompose(program), SIMPLIFYING)


def optimize(program: Program) -> Program:
    """Return a simplified program made to use BLAS and memory well: for running."""
    return _passed(program, OPTIMIZING)


def _passed(program: Program, passes: tuple[tuple[str, Pass], ...]) -> Program:
    for text, function in passes:
        program, saved = function(program)
        if saved:
            program = replace(program, passes=(*program.passes, f"{text}: {saved}"))
    return program
