"""Zero-inflated Poisson regression, log link for the rate, logit link for the excess zeros, with exposure."""

import numpy as np

gen = np.random.default_rng(99)
n = 12
X = np.column_stack([np.ones(n), gen.normal(size=(n, 2))])
Z = np.column_stack([np.ones(n), gen.normal(size=n)])
exposure = gen.uniform(0.5, 2.0, size=n)
y = np.where(gen.uniform(size=n) < 0.45, 0, gen.poisson(2.0, size=n) + 1).astype(float)


def point(rng):
    return {"beta": 0.4 * rng.normal(size=3), "gamma": rng.normal(size=2)}


def loss(beta, gamma):
    eta = np.log(exposure) + X @ beta
    zeta = Z @ gamma
    ll_zero = np.logaddexp(zeta, -np.exp(eta)) - np.logaddexp(0, zeta)
    ll_count = y * eta - np.exp(eta) - np.logaddexp(0, zeta)
    return -np.mean(np.where(y == 0, ll_zero, ll_count))


def derived(beta, gamma):
    zero = y == 0
    pos = ~zero
    rate = exposure * np.exp(X @ beta)
    pi = 1 / (1 + np.exp(-Z @ gamma))
    pois0 = np.exp(-rate)
    prob0 = pi + (1 - pi) * pois0

    # d loglik / d rate and d loglik / d pi, observation by observation
    dl_drate = np.zeros(n)
    dl_dpi = np.zeros(n)
    dl_drate[zero] = -(1 - pi[zero]) * pois0[zero] / prob0[zero]
    dl_drate[pos] = y[pos] / rate[pos] - 1
    dl_dpi[zero] = (1 - pois0[zero]) / prob0[zero]
    dl_dpi[pos] = -1 / (1 - pi[pos])

    # links
    score_eta = dl_drate * rate
    score_zeta = dl_dpi * pi * (1 - pi)

    score_beta = X.T @ score_eta
    score_gamma = Z.T @ score_zeta
    return {"beta": -score_beta / n, "gamma": -score_gamma / n}


MISTAKES = [
    ("dl_drate[zero] = -(1 - pi[zero]) * pois0[zero] / prob0[zero]", "dl_drate[zero] = -(1 - pi[zero]) * pois0[zero]", "the logarithm's 1/prob0 is forgotten"),
    ("dl_dpi[zero] = (1 - pois0[zero]) / prob0[zero]", "dl_dpi[zero] = 1 / prob0[zero]", "pi also stands in the Poisson part"),
    ("dl_dpi[pos] = -1 / (1 - pi[pos])", "dl_dpi[pos] = 1 / (1 - pi[pos])", "the sign of the inner derivative of log(1 - pi)"),
    ("score_eta = dl_drate * rate", "score_eta = dl_drate * rate / exposure", "the offset is inside the exponential, so the rate's derivative is the whole rate"),
    ("dl_drate[pos] = y[pos] / rate[pos] - 1", "dl_drate[pos] = y[pos] - rate[pos]", "this is the score at eta; the link multiplies it by the rate again"),
    ("score_zeta = dl_dpi * pi * (1 - pi)", "score_zeta = dl_dpi", "the slope of the logit link is forgotten"),
]
