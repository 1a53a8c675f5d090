"""
Linear dynamical system, five steps:  x[t+1] = A x[t] + B u[t],  y[t] = C x[t],  t = 1..5 observed.
Weighted squared error; the initial state is learned too.  Derived with the adjoint p[t] = dJ/dx[t].
"""

import numpy as np

gg = np.random.default_rng(308)
S, nx, nu_, ny = 5, 3, 2, 2
u = gg.normal(size=(S, nu_))
obs = gg.normal(size=(S + 1, ny))
q = np.array([0.0, 1.0, 0.5, 2.0, 1.5, 3.0])


def point(rng):
    return {"A": 0.6 * rng.normal(size=(nx, nx)), "B": rng.normal(size=(nx, nu_)), "C": rng.normal(size=(ny, nx)),
            "x0": rng.normal(size=nx)}


def loss(A, B, C, x0):
    x = x0
    J = 0.0
    for t in range(S):
        x = A @ x + B @ u[t]
        err = C @ x - obs[t + 1]
        J = J + q[t + 1] * (err @ err)
    return J / (2 * S)


def derived(A, B, C, x0):
    x = np.zeros((S + 1, nx))
    x[0] = x0
    for t in range(S):
        x[t + 1] = A @ x[t] + B @ u[t]

    e = np.zeros((S + 1, ny))
    for t in range(1, S + 1):
        e[t] = q[t] * (C @ x[t] - obs[t]) / S

    p = np.zeros((S + 1, nx))
    p[S] = C.T @ e[S]
    for t in range(S - 1, 0, -1):
        p[t] = A.T @ p[t + 1] + C.T @ e[t]
    p[0] = A.T @ p[1]

    dA = np.zeros((nx, nx))
    dB = np.zeros((nx, nu_))
    dC = np.zeros((ny, nx))
    for t in range(S):
        dA += np.outer(p[t + 1], x[t])
        dB += np.outer(p[t + 1], u[t])
        dC += np.outer(e[t + 1], x[t + 1])
    return {"A": dA, "B": dB, "C": dC, "x0": p[0]}


MISTAKES = [
    ("dA += np.outer(p[t + 1], x[t])", "dA += np.outer(p[t], x[t])", "the adjoint's time: A at t acts on the next state"),
    ("p[t] = A.T @ p[t + 1] + C.T @ e[t]", "p[t] = A @ p[t + 1] + C.T @ e[t]", "the adjoint runs with A and not with its transpose"),
    ("p[t] = A.T @ p[t + 1] + C.T @ e[t]", "p[t] = A.T @ p[t + 1]", "only the last observation is sent back"),
    ("dC += np.outer(e[t + 1], x[t + 1])", "dC += np.outer(e[t + 1], x[t])", "the state of the step before, copied from the line of A"),
    ("p[0] = A.T @ p[1]", "p[0] = p[1]", "the first transition is forgotten"),
    ("e[t] = q[t] * (C @ x[t] - obs[t]) / S", "e[t] = (C @ x[t] - obs[t]) / S", "the observations' weights are left out"),
]
