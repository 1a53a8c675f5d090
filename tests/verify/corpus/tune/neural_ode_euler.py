"""Small neural ODE, integrated with Euler's method; gradients by stepping backwards."""

import numpy as np

rng = np.random.default_rng(45)
x0 = rng.normal(size=(5, 3))
x_end = rng.normal(size=(5, 3))
n_steps = 4
dt = 0.4
times = [0.3 + k * dt for k in range(n_steps + 1)]


def point(rng):
    return {
        "W": rng.normal(size=(3, 3)),
        "u": rng.normal(size=3),
        "b": rng.normal(size=3),
    }


def dynamics(x, t, params):
    return np.tanh(x @ params["W"] + t * params["u"] + params["b"])


def odeint_euler(params):
    xs, fs = [x0], []
    for k in range(n_steps):
        f = dynamics(xs[k], times[k], params)
        fs.append(f)
        xs.append(xs[k] + dt * f)
    return xs, fs


def loss(W, u, b):
    xs, _ = odeint_euler({"W": W, "u": u, "b": b})
    return 0.5 * np.sum((xs[-1] - x_end) ** 2) / len(x0)


def derived(W, u, b):
    params = {"W": W, "u": u, "b": b}
    xs, fs = odeint_euler(params)
    grads = {name: np.zeros_like(value) for name, value in params.items()}

    adjoint = (xs[-1] - x_end) / len(x0)
    for k in reversed(range(n_steps)):
        dpre = dt * adjoint * (1 - fs[k] ** 2)
        grads["W"] += xs[k].T @ dpre
        grads["u"] += times[k] * dpre.sum(axis=0)
        grads["b"] += dpre.sum(axis=0)
        adjoint = adjoint + dpre @ W.T
    return grads


MISTAKES = [
    ("adjoint = adjoint + dpre @ W.T", "adjoint = dpre @ W.T",
     "the path straight through the Euler step is left out"),
    ("adjoint = adjoint + dpre @ W.T", "adjoint = adjoint + dpre @ W",
     "the weights are not transposed"),
    ("dpre = dt * adjoint * (1 - fs[k] ** 2)", "dpre = adjoint * (1 - fs[k] ** 2)",
     "the step size is left out"),
    ("dpre = dt * adjoint * (1 - fs[k] ** 2)", "dpre = dt * adjoint * (1 - xs[k] ** 2)",
     "tanh's derivative from the state instead of from tanh's value"),
    ('grads["W"] += xs[k].T @ dpre', 'grads["W"] += xs[k + 1].T @ dpre',
     "the state after the step instead of the one before it"),
    ('grads["u"] += times[k] * dpre.sum(axis=0)', 'grads["u"] += dpre.sum(axis=0)',
     "the time that multiplies u is left out"),
    ('        adjoint = adjoint + dpre @ W.T\n', "", "the adjoint is never carried back a step"),
]
