"""Derivations with one planted mistake each, for all kinds of networks.

The right derivation is written by hand, as a person would write it (NumPy, column vectors,
diagonal matrices), with a switch at every place where a person goes wrong. `planted()` lists every
single mistake of every gradient of every network, with the kind and the operations that a diagnosis
may name. ``python -m tests.verify.planted`` prints the table that stands in the documentation.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

import tinygrad_mlp as tg
from tests.verify import corpus_table
from tests.verify.derivation_corpus import HALVES
from tinygrad_mlp.verify import check_derivation


class Kind(NamedTuple):
    """A network and its loss."""

    name: str
    layers: int
    loss: str
    bias: bool = False
    hidden: str = "tanh"
    skip: bool = False


NETWORKS = [
    *(
        Kind(f"{n} layers, {loss}{', biases' if bias else ''}", n, loss, bias)
        for n in (3, 4, 5)
        for loss in ("mean_square", "cross_entropy")
        for bias in (False, True)
    ),
    *(Kind(f"{n} layers, ReLU, softmax", n, "softmax", True, "relu") for n in (3, 4, 5)),
    Kind("skip connection, mean_square", 4, "mean_square", skip=True),
    Kind("skip connection, cross_entropy", 4, "cross_entropy", skip=True),
]


class Mistake(NamedTuple):
    """One mistake.

    Attributes:
        parameter: whose gradient is wrong.
        switch: the place of the formula that is changed, and how.
        kind: what the diagnosis must say.
        ops: the operations it may name.
        scale: the factor on top of the mistake.
    """

    parameter: str
    switch: tuple[Any, ...]
    kind: str
    ops: tuple[str | None, ...]
    scale: float = 1.0


def g(z):
    return 1 / (1 + np.exp(-z))


ACTIVATE = {"tanh": np.tanh, "sigmoid": g, "relu": lambda z: np.maximum(z, 0)}
SLOPE = {
    "tanh": lambda z: 1 - np.tanh(z) ** 2,
    "sigmoid": lambda z: g(z) * (1 - g(z)),
    "relu": lambda z: (z > 0).astype(z.dtype),
}
SLOPE_OF_RESULT = {"tanh": lambda a: 1 - a**2, "sigmoid": lambda a: a * (1 - a)}


class Network:
    """A network with random weights, one sample, its loss, and its derivation by hand."""

    def __init__(self, kind: Kind, rng: np.random.Generator, scale: float = 1.0, dtype=float):
        self.kind = kind
        # All widths equal where matrices are to be confused with their transposes.
        width = int(rng.integers(3, 6))
        widths = [int(rng.integers(2, 6)), *[width] * (kind.layers - 2), int(rng.integers(2, 5))]
        self.weights = {
            f"W{i + 1}": rng.normal(0, 1, (widths[i + 1], widths[i])).astype(dtype)
            for i in range(kind.layers - 1)
        }
        self.parameters = dict(self.weights)
        if kind.bias:
            self.parameters |= {
                f"b{i + 1}": rng.normal(0, 1, widths[i + 1]).astype(dtype)
                for i in range(kind.layers - 1)
            }
        self.x = (scale * rng.normal(size=widths[0])).astype(dtype)
        self.y = np.eye(widths[-1])[rng.integers(widths[-1])].astype(dtype)
        if kind.loss != "softmax" and rng.random() < 0.5:
            self.y = rng.uniform(0.1, 0.9, widths[-1]).astype(dtype)

    @property
    def depth(self) -> int:
        return self.kind.layers - 1

    def activation(self, layer: int) -> str:
        """The activation of layer 2, 3, …."""
        return "sigmoid" if layer == self.kind.layers else self.kind.hidden

    def loss(self, **parameters):
        a = self.x
        for i in range(1, self.depth + 1):
            z = parameters[f"W{i}"] @ a
            if self.kind.bias:
                z = z + parameters[f"b{i}"]
            if i == self.depth and self.kind.loss == "softmax":
                return tg.nn.softmax_cross_entropy(z, self.y)
            new = {"tanh": np.tanh, "sigmoid": tg.sigmoid, "relu": tg.relu}[
                self.activation(i + 1)
            ](z)
            a = new + a if self.kind.skip and i == 2 else new
        if self.kind.loss == "mean_square":
            return tg.nn.squared_error(a, self.y)
        return tg.nn.binary_cross_entropy(a, self.y)

    def derived(self, switch=(), parameter=None, scale=1.0, fused=False):
        """The function of the parameters that a person would hand over."""

        def gradients(**parameters):
            found = self.derive(parameters)
            if parameter is None:
                return found
            wrong = self.derive(parameters, switch)[parameter] if switch else found[parameter]
            return {**found, parameter: scale * wrong}

        return gradients

    def derive(self, parameters, switch=()):  # noqa: C901 (the place of each mistake)
        """All gradients by the recursion, with the formula changed at one place."""
        action, place = (*switch, None, None)[:2]
        a, z = {1: self.x}, {}
        for i in range(1, self.depth + 1):
            z[i + 1] = parameters[f"W{i}"] @ a[i] + parameters.get(f"b{i}", 0)
            a[i + 1] = ACTIVATE[self.activation(i + 1)](z[i + 1])
            if self.kind.skip and i == 2:
                a[i + 1] = a[i + 1] + a[i]
        N, y = self.kind.layers, self.y
        out = {}
        if self.kind.loss == "softmax":
            e = np.exp(z[N] - z[N].max())
            delta = e / e.sum() - y
        else:
            slope = a[N] - y if self.kind.loss == "mean_square" else (1 - y) / (1 - a[N]) - y / a[N]
            if action == "no loss slope":
                slope = np.ones_like(slope)
            delta = self.diagonal(N, z, a, action, place) @ slope
        passed = np.zeros(0)
        for i in range(self.depth, 0, -1):
            below = z[i] if action == "z for a" and place == i else a[i]
            out[f"W{i}"] = np.outer(delta, below)
            if action == "transposed" and place == f"W{i}":
                out[f"W{i}"] = out[f"W{i}"].T
            out[f"b{i}"] = delta
            if i > 1:
                W = parameters[f"W{i}"]
                if action == "no Wᵀ" and place == i:
                    W = np.eye(len(W), dtype=W.dtype)
                elif action == "W for Wᵀ" and place == i:
                    W = W.T
                abar = W.T @ delta
                if self.kind.skip and i == 3:
                    passed = abar
                if self.kind.skip and i == 2:
                    main = 0 * abar if action == "no main path" else abar
                    abar = main if action == "no skip path" else main + passed
                delta = self.diagonal(i, z, a, action, place) @ abar
        return {name: out[name] for name in self.parameters}

    def diagonal(self, layer, z, a, action, place):
        """D of a layer, as it is or with the planted mistake."""
        name = self.activation(layer)
        own = a[layer]
        if self.kind.skip and layer == 3:
            own = own - a[2]
        d = SLOPE[name](z[layer])
        if place == layer:
            d = {
                "no D": lambda: np.ones_like(d),
                "D twice": lambda: d * d,
                "D at a": lambda: SLOPE[name](own),
                "1 − z²": lambda: SLOPE_OF_RESULT[name](z[layer]),
            }.get(action, lambda: d)()
        return np.diag(d)


def mistakes(network: Network) -> Iterator[Mistake]:  # noqa: C901 (a branch for each mistake)
    """Every single mistake in every gradient of a network."""
    kind, N = network.kind, network.kind.layers
    k = len(network.y)
    for name, value in network.parameters.items():
        i = int(name[1:])
        yield Mistake(name, (), "sign", (None,), -1.0)
        for c in dict.fromkeys((2.0, 0.5, float(k), 1.0 / k)):
            yield Mistake(name, (), "scale", (None,), c)
        if name[0] == "W":
            if not (value.shape[0] == value.shape[1] == 1):
                yield Mistake(name, ("transposed", name), "transpose", (None,))
            if i > 1:
                yield from scaled(
                    Mistake(name, ("z for a", i), "wrong-point", ("matmul", network.activation(i)))
                )
        last = N if kind.loss != "softmax" else N - 1
        for layer in range(i + 1, last + 1):
            op = network.activation(layer)
            for action, what in (
                ("no D", "missing-factor"), ("D twice", "extra-factor"),
                ("D at a", "wrong-point"), ("1 − z²", "wrong-point"),
            ):
                if op == "relu" and action != "no D":
                    continue  # the mask is its own square, and the same taken from a
                yield from scaled(Mistake(name, (action, layer), what, (op,)))
        if kind.loss != "softmax":
            op = "squared_error" if kind.loss == "mean_square" else "binary_cross_entropy"
            yield from scaled(Mistake(name, ("no loss slope",), "missing-factor", (op,)))
        for j in range(i + 1, N):
            rows, columns = network.weights[f"W{j}"].shape
            if rows == columns and not (kind.skip and j == 2 and i == 1):
                yield from scaled(Mistake(name, ("no Wᵀ", j), "missing-factor", ("matmul",)))
                yield from scaled(Mistake(name, ("W for Wᵀ", j), "transpose", ("matmul",)))
        if kind.skip and i == 1:
            ways = ("matmul", "add", "tanh")
            yield from scaled(Mistake(name, ("no skip path",), "missing-term", ways))
            yield from scaled(Mistake(name, ("no main path",), "missing-term", ways))


def scaled(mistake: Mistake) -> Iterator[Mistake]:
    """A structural mistake alone, and with a wrong sign or factor on top."""
    for scale in (1.0, -1.0, 2.0):
        yield mistake._replace(scale=scale)


def planted(seeds: range = range(1)) -> Iterator[tuple[Network, Mistake]]:
    """All mistakes of all networks, for random weights of each seed."""
    for number, kind in enumerate(NETWORKS):
        for seed in seeds:
            network = Network(kind, np.random.default_rng([seed, number]))
            for mistake in mistakes(network):
                yield network, mistake


class Outcome(NamedTuple):
    """The verdict of the check on one mistake."""

    detected: bool
    kind_right: bool
    op_right: bool
    scale_right: bool
    said: str


def examine(network: Network, mistake: Mistake) -> Outcome:
    """Hand a planted mistake to the checker."""
    derived = network.derived(mistake.switch, mistake.parameter, mistake.scale)
    with np.errstate(all="ignore"):
        report = check_derivation(network.loss, derived, **network.parameters)
    found = report.diagnoses.get(mistake.parameter)
    if found is None or set(report.diagnoses) != {mistake.parameter}:
        return Outcome(False, False, False, False, str(report))
    return Outcome(
        True,
        found.kind == mistake.kind,
        found.op in mistake.ops,
        bool(np.isclose(found.scale, mistake.scale)),
        f"{found.kind} {found.op} {found.scale}: {found.message}",
    )


def false_alarms(cases: range, dtype=float) -> int:
    """Return the number of right derivations, drawn for `cases`, that are called wrong."""
    wrong = 0
    for i in cases:
        rng = np.random.default_rng([7, i])
        kind = NETWORKS[i % len(NETWORKS)]
        scale = 10.0 ** rng.uniform(-6, 6)
        network = Network(kind, rng, scale, dtype)
        with np.errstate(all="ignore"):
            right = network.derive(network.parameters)
            if not all(np.isfinite(r).all() for r in right.values()):
                continue  # the formula itself divides by zero here: not a right derivation
            report = check_derivation(network.loss, network.derived(), **network.parameters)
        wrong += not report.ok
    return wrong


def table(seeds: range) -> str:
    """The outcome for each kind of network."""
    rows: dict[str, list[Outcome]] = defaultdict(list)
    for network, mistake in planted(seeds):
        rows[network.kind.name].append(examine(network, mistake))
    lines = ["| network | mistakes | detected | kind | op | scale |", "|---|--:|--:|--:|--:|--:|"]
    everything = [outcome for outcomes in rows.values() for outcome in outcomes]
    for name, outcomes in [*rows.items(), ("all", everything)]:
        shares = [100 * np.mean([o[i] for o in outcomes]) for i in range(4)]
        shown = " | ".join(f"{share:.1f} %" for share in shares)
        lines.append(f"| {name} | {len(outcomes)} | {shown} |")
    return "\n".join(lines)


if __name__ == "__main__":
    for half in HALVES:
        print(corpus_table.table(half), end="\n\n")
    print(table(range(int(sys.argv[1]) if len(sys.argv) > 1 else 3)))
    for precision in (np.float64, np.float32):
        print(f"\nfalse alarms in 1,000 right derivations, {precision.__name__}: ", end="")
        print(false_alarms(range(1000), precision))
