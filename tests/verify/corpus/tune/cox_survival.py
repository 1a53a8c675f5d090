"""Cox's partial likelihood with a ridge penalty; samples in order of time."""

import numpy as np

rng = np.random.default_rng(44)
Z = rng.normal(size=(8, 3))
event = np.array([1, 0, 1, 1, 0, 1, 1, 0.])
alpha = 0.2


def point(rng):
    return {"beta": 0.6 * rng.normal(size=3)}


def loss(beta):
    eta = Z @ beta
    total = 0
    for i in range(8):
        if event[i]:
            total = total + np.log(np.sum(np.exp(eta[i:]))) - eta[i]
    return total / np.sum(event) + alpha * np.sum(beta ** 2)


def derived(beta):
    eta = Z.dot(beta)
    e = np.exp(eta)
    risk = np.cumsum(e[::-1])[::-1]
    d = event.sum()
    haz = np.cumsum(event / risk)
    deta = (e * haz - event) / d
    dbeta = Z.T.dot(deta)
    dbeta += 2 * alpha * beta
    return {"beta": dbeta}


MISTAKES = [
    ("risk = np.cumsum(e[::-1])[::-1]", "risk = np.cumsum(e)", "those who are gone already are counted, not those at risk"),
    ("haz = np.cumsum(event / risk)", "haz = event / risk", "each event counts in the risk sets of all earlier ones"),
    ("haz = np.cumsum(event / risk)", "haz = np.cumsum(1 / risk)", "censored samples are counted as events"),
    ("deta = (e * haz - event) / d", "deta = (e * haz - 1) / d", "censored samples are counted as events in the first term"),
    ("deta = (e * haz - event) / d", "deta = (e * haz - event) / len(e)", "the mean is over the events"),
    ("dbeta += 2 * alpha * beta", "dbeta += alpha * beta", "the square's 2"),
    ("deta = (e * haz - event) / d", "deta = (haz - event) / d", "the hazard is not multiplied by e"),
    ("dbeta += 2 * alpha * beta", "dbeta = 2 * alpha * beta", "= for +="),
]
