"""Ordinal regression, cumulative logits, thresholds kept in order by exponentials; one sample at a time."""

import numpy as np

rng = np.random.default_rng(77)
n, d, hdim, K = 10, 3, 3, 4
X = rng.normal(size=(n, d))
y = np.array([0, 1, 2, 3, 1, 2, 0, 3, 2, 1])


def point(rng):
    return {"W": rng.normal(size=(d, hdim)), "v": rng.normal(size=hdim), "t": 0.5 * rng.normal(size=K - 1)}


def sig(u):
    return 1 / (1 + np.exp(-u))


def loss(W, v, t):
    theta = np.cumsum(np.concatenate([t[:1], np.exp(t[1:])]))
    f = np.tanh(X @ W) @ v
    F = np.ones((n, K + 1))
    F[:, 0] = 0
    F[:, 1:K] = sig(theta[None, :] - f[:, None])
    return -np.mean(np.log(F[np.arange(n), y + 1] - F[np.arange(n), y]))


def derived(W, v, t):
    hid = np.tanh(X @ W)
    f = hid @ v
    theta = np.array([t[0], t[0] + np.exp(t[1]), t[0] + np.exp(t[1]) + np.exp(t[2])])
    dtheta = np.zeros(K - 1)
    df = np.zeros(n)
    for i in range(n):
        k = y[i]
        hi = sig(theta[k] - f[i]) if k < K - 1 else 1.0
        lo = sig(theta[k - 1] - f[i]) if k > 0 else 0.0
        g = -1 / (hi - lo) / n
        if k < K - 1:
            s_hi = g * hi * (1 - hi)
            dtheta[k] += s_hi
            df[i] -= s_hi
        if k > 0:
            s_lo = -g * lo * (1 - lo)
            dtheta[k - 1] += s_lo
            df[i] -= s_lo
    dt = np.zeros(K - 1)
    dt[0] = dtheta.sum()
    for m in range(1, K - 1):
        dt[m] = np.exp(t[m]) * dtheta[m:].sum()
    dv = hid.T @ df
    da = np.outer(df, v) * (1 - hid ** 2)
    dW = X.T @ da
    return {"W": dW, "v": dv, "t": dt}


MISTAKES = [
    ("s_lo = -g * lo * (1 - lo)", "s_lo = g * lo * (1 - lo)", "the lower threshold enters with a minus"),
    ("s_hi = g * hi * (1 - hi)", "s_hi = g * hi * (1 - lo)", "one name wrong in the derivative of the sigmoid"),
    ("df[i] -= s_lo", "df[i] = -s_lo", "overwrites the part of the upper threshold"),
    ("dt[m] = np.exp(t[m]) * dtheta[m:].sum()", "dt[m] = np.exp(t[m]) * dtheta[m]", "the later thresholds move too"),
    ("dt[0] = dtheta.sum()", "dt[0] = dtheta[0]", "the first parameter moves all the thresholds"),
    ("da = np.outer(df, v) * (1 - hid ** 2)", "da = np.outer(df, v) * hid * (1 - hid)", "the derivative of the sigmoid for tanh"),
]
