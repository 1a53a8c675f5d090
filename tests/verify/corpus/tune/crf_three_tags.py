"""Linear chain CRF with three tags: forward-backward in log space."""

import numpy as np

v = np.random.default_rng(11)
F = v.normal(size=(5, 4))
tags = np.array([0, 2, 1, 1, 0])
n, L = 5, 3


def point(rng):
    return {"W": rng.normal(size=(4, 3)), "T": rng.normal(size=(3, 3))}


def lse(M, axis):
    m = M.max(axis=axis, keepdims=True)
    return np.squeeze(m, axis) + np.log(np.exp(M - m).sum(axis=axis))


def loss(W, T):
    U = F @ W
    alpha = U[0]
    for t in range(1, n):
        alpha = U[t] + lse(alpha[:, None] + T, 0)
    score = U[0, tags[0]]
    for t in range(1, n):
        score = score + U[t, tags[t]] + T[tags[t - 1], tags[t]]
    return lse(alpha, 0) - score


def derived(W, T):
    U = F @ W
    alpha = np.zeros((n, L))
    beta = np.zeros((n, L))
    alpha[0] = U[0]
    for t in range(1, n):
        alpha[t] = U[t] + lse(alpha[t - 1][:, None] + T, 0)
    for t in range(n - 2, -1, -1):
        beta[t] = lse(T + U[t + 1] + beta[t + 1], 1)
    logZ = lse(alpha[-1], 0)
    marg = np.exp(alpha + beta - logZ)
    dU = marg.copy()
    dU[np.arange(n), tags] -= 1
    dT = np.zeros_like(T)
    for t in range(1, n):
        pair = alpha[t - 1][:, None] + T + U[t] + beta[t]
        dT += np.exp(pair - logZ)
        dT[tags[t - 1], tags[t]] -= 1
    return {"W": F.T @ dU, "T": dT}


MISTAKES = [
    ("beta[t] = lse(T + U[t + 1] + beta[t + 1], 1)",
     "beta[t] = lse(T + U[t] + beta[t + 1], 1)", "the scores of this step for those of the next"),
    ("beta[t] = lse(T + U[t + 1] + beta[t + 1], 1)",
     "beta[t] = lse(T + beta[t + 1], 1)", "the scores of the next step are forgotten"),
    ("beta[t] = lse(T + U[t + 1] + beta[t + 1], 1)",
     "beta[t] = lse(T.T + U[t + 1] + beta[t + 1], 1)", "the transitions are transposed"),
    ("beta[t] = lse(T + U[t + 1] + beta[t + 1], 1)",
     "beta[t] = lse(T + U[t + 1] + beta[t + 1], 0)", "the sum runs over the wrong tags"),
    ("pair = alpha[t - 1][:, None] + T + U[t] + beta[t]",
     "pair = alpha[t - 1][:, None] + T + beta[t]", "the scores of this step are left out of the pair"),
    ("pair = alpha[t - 1][:, None] + T + U[t] + beta[t]",
     "pair = alpha[t][:, None] + T + U[t] + beta[t]", "the message of this step for that of the step before"),
    ("        dT[tags[t - 1], tags[t]] -= 1\n",
     "", "the observed transition is not subtracted"),
    ("dT[tags[t - 1], tags[t]] -= 1",
     "dT[tags[t], tags[t - 1]] -= 1", "the observed transition the wrong way round"),
    ("    dU[np.arange(n), tags] -= 1\n",
     "", "the observed tags are not subtracted"),
    ("marg = np.exp(alpha + beta - logZ)",
     "marg = np.exp(alpha - logZ)", "the backward message is left out"),
    ("for t in range(n - 2, -1, -1):",
     "for t in range(n - 2, 0, -1):", "the first step gets no backward message"),
]
