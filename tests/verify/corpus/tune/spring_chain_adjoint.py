"""Masses between two walls, hardening springs, drag; symplectic Euler; the final positions are to hit a target."""

import numpy as np

_g = np.random.default_rng(1010)
STEPS, DT, HARD = 6, 0.3, 0.4
mass = np.array([1.0, 0.7, 1.4])
x_start = _g.normal(size=3)
v_start = _g.normal(size=3)
x_goal = _g.normal(size=3)


def point(rng):
    return {"log_k": 0.4 * rng.normal(size=4), "log_c": 0.4 * rng.normal(size=3)}


def loss(log_k, log_c):
    x, v = x_start, v_start
    for _ in range(STEPS):
        e = np.diff(np.concatenate([[0.0], x, [0.0]]))
        f = np.exp(log_k) * (e + HARD * e ** 3)
        v = v + DT * (f[1:] - f[:-1] - np.exp(log_c) * v) / mass
        x = x + DT * v
    return 0.5 * np.sum((x - x_goal) ** 2)


def stretch(x):
    return np.append(x, 0.0) - np.append(0.0, x)


def simulate(k, c):
    xs, vs = [x_start], [v_start]
    for t in range(STEPS):
        s = stretch(xs[t])
        tension = k * (s + HARD * s ** 3)
        force = tension[1:] - tension[:-1] - c * vs[t]
        vs.append(vs[t] + DT / mass * force)
        xs.append(xs[t] + DT * vs[t + 1])
    return xs, vs


def derived(log_k, log_c):
    k, c = np.exp(log_k), np.exp(log_c)
    xs, vs = simulate(k, c)
    grad_k, grad_c = np.zeros(4), np.zeros(3)
    lx = xs[STEPS] - x_goal         # adjoint of the position
    lv = np.zeros(3)                # adjoint of the velocity
    for t in range(STEPS - 1, -1, -1):
        lv = lv + DT * lx
        lf = DT / mass * lv
        grad_c -= lf * vs[t]
        s = stretch(xs[t])
        lten = np.append(0.0, lf) - np.append(lf, 0.0)
        grad_k += lten * (s + HARD * s ** 3)
        ls = lten * k * (1 + 3 * HARD * s ** 2)
        lx = lx + ls[:-1] - ls[1:]
        lv = lv - c * lf
    return {"log_k": grad_k * k, "log_c": grad_c * c}


MISTAKES = [
    ("xs.append(xs[t] + DT * vs[t + 1])", "xs.append(xs[t] + DT * vs[t])", "explicit instead of symplectic Euler: the old velocity"),
    ("grad_c -= lf * vs[t]", "grad_c -= lf * vs[t + 1]", "the drag acts with the velocity before the step"),
    ("lten = np.append(0.0, lf) - np.append(lf, 0.0)", "lten = np.append(lf, 0.0) - np.append(0.0, lf)", "the sign: the transpose of a difference is the negative one"),
    ("ls = lten * k * (1 + 3 * HARD * s ** 2)", "ls = lten * k * (1 + HARD * s ** 2)", "the secant stiffness instead of the tangent one"),
    ("lx = lx + ls[:-1] - ls[1:]", "lx = ls[:-1] - ls[1:]", "the position's own carry is forgotten"),
    ("lv = lv - c * lf", "lv = lv - DT * c * lf", "the time step is in the force's adjoint already"),
]
