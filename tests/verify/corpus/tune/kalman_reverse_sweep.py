"""Kalman filter likelihood of two independent AR(1) states seen with noise, three steps; a reverse sweep by hand."""

import numpy as np

rng = np.random.default_rng(1414)
Y = rng.normal(size=(3, 2))


def point(rng):
    return {"a": 0.7 + 0.2 * rng.normal(size=2), "lq": 0.4 * rng.normal(size=2), "lr": 0.4 * rng.normal(size=2), "m0": rng.normal(size=2)}


def loss(a, lq, lr, m0):
    mean, var, nll = m0, np.ones(2), 0.0
    for obs in Y:
        mean, var = a * mean, a ** 2 * var + np.exp(lq)
        S = var + np.exp(lr)
        nll = nll + 0.5 * np.sum(np.log(S) + (obs - mean) ** 2 / S)
        gain = var / S
        mean, var = mean + gain * (obs - mean), (1 - gain) * var
    return nll


def derived(a, lq, lr, m0):
    q, r = np.exp(lq), np.exp(lr)
    m, P = m0, np.ones(2)
    tape = []
    for y in Y:
        mp = a * m
        Pp = a * a * P + q
        e = y - mp
        s = Pp + r
        K = Pp / s
        tape.append((m, P, Pp, e, s, K))
        m = mp + K * e
        P = (1 - K) * Pp
    da, dq, dr, dm, dP = (np.zeros(2) for _ in range(5))
    while tape:
        m, P, Pp, e, s, K = tape.pop()
        dK = dm * e - dP * Pp
        de = dm * K + e / s
        ds = 0.5 * (1 / s - e ** 2 / s ** 2) - dK * Pp / s ** 2
        dPp = dP * (1 - K) + dK / s + ds
        dmp = dm - de
        dq = dq + dPp
        dr = dr + ds
        da = da + dmp * m + 2 * a * P * dPp
        dm = a * dmp
        dP = a ** 2 * dPp
    return {"a": da, "lq": dq * q, "lr": dr * r, "m0": dm}


MISTAKES = [
    ("dPp = dP * (1 - K) + dK / s + ds", "dPp = dP * (1 - K) + dK / s", "the predicted variance is a part of s: that path is missing"),
    ("dK = dm * e - dP * Pp", "dK = dm * e", "the gain's use in the variance update is forgotten"),
    ("da = da + dmp * m + 2 * a * P * dPp", "da = da + dmp * m + a * P * dPp", "the derivative of a squared loses its 2"),
    ("dP = a ** 2 * dPp", "dP = a * dPp", "the square of a is lost on the way to the earlier variance"),
    ("dr = dr + ds", "dr = ds", "overwritten at each step in place of added"),
    ("dmp = dm - de", "dmp = -de", "the prediction also passes straight into the updated mean"),
]
