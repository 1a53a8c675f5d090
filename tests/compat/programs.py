"""Nine programs of the kind that autograd is used for, each written once and run by both libraries.

``python -m tests.compat.programs`` prints the time of a gradient in both. A test holds that they
compute the same.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any, NamedTuple

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as onp


class Library(NamedTuple):
    """The functions that a program takes from a library, under autograd's names."""

    np: Any
    grad: Callable[..., Any]
    logsumexp: Callable[..., Any]
    normal: Any  # the multivariate normal distribution
    odeint: Callable[..., Any]
    convolve: Callable[[Any, Any], Any]  # images (n, c, h, w) with kernels (c, o, k, k)
    pack: Callable[[Any], Any]  # makes the tuple of arguments that odeint takes


def ours() -> Library:
    """Return this package, by the names it has for autograd's programs."""
    import tinygrad_mlp as tg
    from tinygrad_mlp.compat.autograd import grad, numpy
    from tinygrad_mlp.compat.autograd.scipy import integrate, special, stats

    def convolve(x, w):
        return tg.conv2d(x, numpy.transpose(w, (1, 0, 2, 3))[:, :, ::-1, ::-1])

    return Library(numpy, grad, special.logsumexp, stats.multivariate_normal, integrate.odeint,
                   convolve, tuple)


def autograds() -> Library:
    """Return HIPS/autograd."""
    from autograd import builtins, grad, numpy
    from autograd.scipy import integrate, signal, special
    from autograd.scipy.stats import multivariate_normal

    def convolve(x, w):
        return signal.convolve(x, w, axes=([2, 3], [2, 3]), dot_axes=([1], [0]), mode="valid")

    return Library(numpy, grad, special.logsumexp, multivariate_normal, integrate.odeint, convolve,
                   builtins.tuple)


def draw(*shape: int, seed: int = 0, scale: float = 0.3) -> Any:
    return scale * onp.random.default_rng(seed + sum(shape)).normal(size=shape)


def one_hot(numbers: Any, n: int) -> Any:
    return onp.eye(n)[numbers]


TEXT = one_hot(onp.random.default_rng(1).integers(0, 12, size=(21, 16)), 12)
"""Characters: steps, sequences, alphabet."""


def cross_entropy(lib: Library, scores: Any, target: Any) -> Any:
    return lib.np.sum(target * (scores - lib.logsumexp(scores, axis=1, keepdims=True)))


def rnn(lib: Library) -> tuple[Any, Any]:
    """The next character, by a recurrent network."""
    np = lib.np

    def loss(p):
        h, total = np.zeros((16, 24)), 0.0
        for x, following in zip(TEXT[:-1], TEXT[1:], strict=True):
            h = np.tanh(np.dot(x, p["in"]) + np.dot(h, p["step"]) + p["bias"])
            total = total - cross_entropy(lib, np.dot(h, p["out"]), following)
        return total

    return loss, {"in": draw(12, 24), "step": draw(24, 24), "bias": draw(24), "out": draw(24, 12)}


def lstm(lib: Library) -> tuple[Any, Any]:
    """The next character, with gates."""
    np = lib.np

    def sigmoid(x):
        return 0.5 * (np.tanh(x / 2) + 1)

    def loss(p):
        h, c, total = np.zeros((16, 24)), np.zeros((16, 24)), 0.0
        for x, following in zip(TEXT[:-1], TEXT[1:], strict=True):
            z = np.dot(np.concatenate([x, h], axis=1), p["gates"]) + p["bias"]
            keep, write, show = (sigmoid(z[:, 24 * i : 24 * (i + 1)]) for i in range(3))
            c = keep * c + write * np.tanh(z[:, 72:])
            h = show * np.tanh(c)
            total = total - cross_entropy(lib, np.dot(h, p["out"]), following)
        return total

    return loss, {"gates": draw(36, 96), "bias": draw(96), "out": draw(24, 12)}


def mixture(lib: Library) -> tuple[Any, Any]:
    """The likelihood of a mixture of Gaussians."""
    np, data = lib.np, draw(200, 2, scale=1.0)

    def loss(p):
        weights = p["weights"] - lib.logsumexp(p["weights"])
        each = [w + lib.normal.logpdf(data, mean, np.dot(root, root.T))
                for w, mean, root in zip(weights, p["means"], p["roots"], strict=True)]
        return -np.sum(lib.logsumexp(np.vstack(each), axis=0))

    return loss, {"weights": draw(5), "means": draw(5, 2), "roots": onp.eye(2) + draw(5, 2, 2)}


def gaussian_process(lib: Library) -> tuple[Any, Any]:
    """The marginal likelihood of a Gaussian process."""
    np, x, y = lib.np, draw(60, 2, scale=1.0), draw(60, seed=1, scale=1.0)

    def loss(p):
        scaled = x / np.exp(p["lengths"])
        squares = np.sum((scaled[:, None, :] - scaled[None, :, :]) ** 2, axis=2)
        covariance = np.exp(p["height"] - 0.5 * squares) + np.exp(p["noise"]) * np.eye(60)
        return -lib.normal.logpdf(y, p["mean"] * np.ones(60), covariance)

    return loss, {"lengths": draw(2), "height": 0.1, "noise": -1.0, "mean": 0.2}


def autoencoder(lib: Library) -> tuple[Any, Any]:
    """The evidence lower bound of a variational autoencoder."""
    np, noise = lib.np, draw(32, 4, seed=2, scale=1.0)
    pictures = (draw(32, 64, scale=1.0) > 0).astype(float)

    def mlp(layers, x):
        for weight, bias in layers[:-1]:
            x = np.tanh(np.dot(x, weight) + bias)
        return np.dot(x, layers[-1][0]) + layers[-1][1]

    def loss(p):
        code = mlp(p["encoder"], pictures)
        mean, log_std = code[:, :4], code[:, 4:]
        logits = mlp(p["decoder"], mean + np.exp(log_std) * noise)
        fit = -np.sum(np.logaddexp(0.0, -(2 * pictures - 1) * logits))
        divergence = np.sum(np.exp(2 * log_std) + mean**2 - 1 - 2 * log_std) / 2
        return divergence - fit

    return loss, {"encoder": [[draw(64, 32), draw(32)], [draw(32, 8), draw(8)]],
                  "decoder": [[draw(4, 32), draw(32)], [draw(32, 64), draw(64)]]}


def fluid(lib: Library) -> tuple[Any, Any]:
    """Smoke that a flow carries to a place: velocities, made free of sources, and advection."""
    np, n, steps = lib.np, 24, 4
    grid = onp.arange(n)
    smoke = onp.exp(-((grid[:, None] - 8) ** 2 + (grid - 8.0) ** 2) / 20)
    target = onp.exp(-((grid[:, None] - 14) ** 2 + (grid - 14.0) ** 2) / 20)

    def projected(u, v):
        h = 1.0 / n
        source = -0.5 * h * (np.roll(u, -1, axis=0) - np.roll(u, 1, axis=0)
                             + np.roll(v, -1, axis=1) - np.roll(v, 1, axis=1))
        pressure = np.zeros((n, n))
        for _ in range(8):
            pressure = (source + np.roll(pressure, 1, axis=0) + np.roll(pressure, -1, axis=0)
                        + np.roll(pressure, 1, axis=1) + np.roll(pressure, -1, axis=1)) / 4
        u = u - 0.5 * (np.roll(pressure, -1, axis=0) - np.roll(pressure, 1, axis=0)) / h
        return u, v - 0.5 * (np.roll(pressure, -1, axis=1) - np.roll(pressure, 1, axis=1)) / h

    def advected(field, u, v):
        rows, columns = np.ravel(grid[:, None] - u), np.ravel(grid - v)
        i, j = np.floor(rows).astype(int), np.floor(columns).astype(int)
        down, right = rows - i, columns - j
        i0, i1, j0, j1 = i % n, (i + 1) % n, j % n, (j + 1) % n
        made = ((1 - down) * ((1 - right) * field[i0, j0] + right * field[i0, j1])
                + down * ((1 - right) * field[i1, j0] + right * field[i1, j1]))
        return np.reshape(made, (n, n))

    def loss(p):
        u, v, density = p["u"], p["v"], smoke
        for _ in range(steps):
            moved_u, moved_v = advected(u, u, v), advected(v, u, v)
            u, v = projected(moved_u, moved_v)
            density = advected(density, u, v)
        return np.mean((density - target) ** 2)

    return loss, {"u": draw(n, n), "v": draw(n, n, seed=1)}


def ode_network(lib: Library) -> tuple[Any, Any]:
    """A differential equation whose right-hand side is a network."""
    np, times = lib.np, onp.linspace(0.0, 2.0, 6)
    target = onp.stack([onp.cos(times), onp.sin(times)], axis=1)

    def slope(y, t, w1, b1, w2):
        return np.dot(np.tanh(np.dot(y, w1) + b1), w2)

    def loss(p):
        y = lib.odeint(slope, onp.array([1.0, 0.0]), times, lib.pack(p), rtol=1e-8, atol=1e-8)
        return np.sum((y - target) ** 2)

    return loss, [draw(2, 16), draw(16), draw(16, 2)]


def hidden_markov(lib: Library) -> tuple[Any, Any]:
    """The likelihood of a hidden Markov model, by the forward algorithm."""
    seen = onp.random.default_rng(0).integers(0, 6, size=60)

    def loss(p):
        start, step, show = (a - lib.logsumexp(a, axis=-1, keepdims=True)
                             for a in (p["start"], p["step"], p["show"]))
        alpha = start + show[:, seen[0]]
        for x in seen[1:]:
            alpha = lib.logsumexp(alpha[:, None] + step, axis=0) + show[:, x]
        return -lib.logsumexp(alpha)

    return loss, {"start": draw(4), "step": draw(4, 4), "show": draw(4, 6)}


def convolutional(lib: Library) -> tuple[Any, Any]:
    """A small convolutional network."""
    np, pictures = lib.np, draw(16, 1, 16, 16, scale=1.0)
    target = one_hot(onp.arange(16) % 10, 10)

    def loss(p):
        x = np.tanh(lib.convolve(pictures, p["kernels"]) + p["shift"])
        pooled = np.max(np.max(np.reshape(x, (16, 4, 6, 2, 6, 2)), axis=5), axis=3)
        scores = np.dot(np.reshape(pooled, (16, 144)), p["weight"]) + p["bias"]
        return -cross_entropy(lib, scores, target)

    return loss, {"kernels": draw(1, 4, 5, 5), "shift": draw(1, 4, 1, 1), "weight": draw(144, 10),
                  "bias": draw(10)}


PROGRAMS = {"rnn": rnn, "lstm": lstm, "mixture": mixture, "gaussian process": gaussian_process,
            "variational autoencoder": autoencoder, "fluid": fluid, "ode network": ode_network,
            "hidden Markov model": hidden_markov, "convolutional network": convolutional}


def main(rounds: int = 15) -> None:
    """Print the time of a gradient in both libraries: the best of several, alternating."""
    libraries = {"ours": ours(), "autograd": autograds()}
    for name, program in PROGRAMS.items():
        best = dict.fromkeys(libraries, onp.inf)
        prepared = {key: (lib.grad(program(lib)[0]), program(lib)[1])
                    for key, lib in libraries.items()}
        for _ in range(rounds):
            for key, (gradient, p) in prepared.items():
                begin = time.process_time()
                gradient(p)
                best[key] = min(best[key], time.process_time() - begin)
        print(f"{name:24} {1e3 * best['ours']:8.2f} ms {1e3 * best['autograd']:8.2f} ms  "
              f"× {best['autograd'] / best['ours']:.2f}")


if __name__ == "__main__":
    main()
