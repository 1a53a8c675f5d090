"""Every operation with every sample of its record, as a function of tensors."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import tinygrad_mlp as tg
from tests.campaigns import chosen
from tests.every_sample import parametrize
from tests.one_output import each_output
from tinygrad_mlp.autograd.ops.samples import samples_of


@dataclass(eq=False)
class Case:
    """An operation with a sample of its record, and the places of what can be differentiated."""

    name: str
    op: Any
    args: tuple[Any, ...]
    static: dict[str, Any]
    places: list[int]

    @functools.cached_property
    def explained(self):
        """Leaves, a number computed from them, and its derivation: made once for several tests."""
        leaves = leaves_of(self)
        output = first_order(self, leaves)
        return leaves, output, tg.explain(output)

    @functools.cached_property
    def explained_twice(self):
        """The same for the gradients of that number; None where they are constant."""
        leaves = leaves_of(self)
        output = second_order(self, leaves)
        return None if output is None else (leaves, output, tg.explain(output))


def all_cases():
    rng = np.random.default_rng(11)
    for op in tg.OPS.values():
        for number, sample in enumerate(samples_of(op, rng)):
            args, static = op.bind(sample.args, sample.static)
            places = [
                i
                for i, a in enumerate(args)
                if np.asarray(a).dtype.kind == "f" and op.rule(i) is not None
            ]
            if places:
                for row in each_output(op):
                    yield Case(f"{row.name}-{number}", row, args, static, places)


CASES = list(all_cases())
ONE_EACH = list({case.op.name: case for case in CASES}.values())


def pytest_generate_tests(metafunc):
    parametrize(metafunc, "case", CASES)
    for fixture, cases in (("one_each", ONE_EACH), ("a_share", ONE_EACH[:: chosen(12, 1)])):
        if fixture in metafunc.fixturenames:
            metafunc.parametrize(fixture, cases, ids=[case.op.name for case in cases])


def leaves_of(case):
    """Named tensors for the arguments that a case can be differentiated with respect to."""
    return [
        tg.Tensor(case.args[i], requires_grad=True, name=f"p{number}")
        for number, i in enumerate(case.places)
    ]


def first_order(case, leaves):
    """A number computed through the case's operation, so that no adjoint in it is constant."""
    args = list(case.args)
    for i, leaf in zip(case.places, leaves, strict=True):
        args[i] = leaf
    return tg.sum(tg.sin(case.op(*args, **case.static)))


def second_order(case, leaves):
    """A number computed through the gradients of that; None where they are constant."""
    found = tg.grad(lambda *p: first_order(case, p), argnums=tuple(range(len(leaves))))(*leaves)
    found = [g for g in found if isinstance(g, tg.Tensor) and g.requires_grad]
    return sum((tg.sum(tg.sin(g)) for g in found[1:]), tg.sum(tg.sin(found[0]))) if found else None


@pytest.fixture(scope="session")
def programs():
    """What computes a number, and builds the leaves, of a case."""
    return SimpleNamespace(leaves=leaves_of, first=first_order, second=second_order)


@pytest.fixture(scope="session")
def assert_gradients():
    """That the gradients of a derivation, evaluated, are those of a backward pass."""

    def check(derivation, output, leaves, values=None, exactness=None):
        for leaf in leaves:
            leaf.grad = None
        output.backward(retain_graph=True)
        compared = 0
        for leaf in leaves:
            if leaf.grad is not None:
                value = derivation[f"∂L/∂{leaf.name}"].evaluate(values)
                assert value.dtype == leaf.grad.dtype
                scale = np.max(np.abs(leaf.grad), initial=1)
                limit = (exactness or 1e-12) if value.dtype == np.float64 else 1e-5
                np.testing.assert_allclose(
                    value, leaf.grad, rtol=limit, atol=limit * scale, strict=True
                )
                compared += 1
        return compared

    return check
