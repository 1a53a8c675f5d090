"""A variational autoencoder with given noise: cross-entropy of the reconstruction plus the KL divergence."""

import numpy as np

rng = np.random.default_rng(29)
N, D, H, J = 6, 5, 4, 2
X = rng.random(size=(N, D))
epsilon = rng.normal(size=(N, J))


def point(rng):
    return {
        "We": rng.normal(size=(D, H)), "be": 0.3 * rng.normal(size=H),
        "Wmu": rng.normal(size=(H, J)), "bmu": 0.3 * rng.normal(size=J),
        "Wlv": 0.6 * rng.normal(size=(H, J)), "blv": 0.3 * rng.normal(size=J),
        "Wd": rng.normal(size=(J, D)), "bd": 0.3 * rng.normal(size=D),
    }


def loss(We, be, Wmu, bmu, Wlv, blv, Wd, bd):
    code = np.tanh(X @ We + be)
    m, lv = code @ Wmu + bmu, code @ Wlv + blv
    a = (m + np.exp(lv / 2) * epsilon) @ Wd + bd
    rec = np.sum(np.log(1 + np.exp(a)) - X * a)
    kl = -np.sum(1 + lv - m ** 2 - np.exp(lv)) / 2
    return (rec + kl) / N


def derived(We, be, Wmu, bmu, Wlv, blv, Wd, bd):
    # encoder
    Henc = np.tanh(X @ We + be)
    mu = Henc @ Wmu + bmu
    logvar = Henc @ Wlv + blv

    # reparametrisation: z = mu + sigma * epsilon, sigma = exp(logvar / 2)
    sigma = np.exp(0.5 * logvar)
    Z = mu + sigma * epsilon

    # decoder
    Xhat = 1 / (1 + np.exp(-(Z @ Wd + bd)))

    # reconstruction
    dlogits = (Xhat - X) / N
    dWd = Z.T @ dlogits
    dbd = dlogits.sum(axis=0)
    dZ = dlogits @ Wd.T

    # through z, and from KL = -1/2 sum (1 + logvar - mu^2 - exp(logvar))
    dmu = dZ.copy()
    dmu += mu / N
    dsigma = dZ * epsilon
    dlogvar = 0.5 * sigma * dsigma
    dlogvar += 0.5 * (np.exp(logvar) - 1) / N

    # the two heads
    dWmu = Henc.T @ dmu
    dbmu = dmu.sum(axis=0)
    dWlv = Henc.T @ dlogvar
    dblv = dlogvar.sum(axis=0)

    # the encoder gets a gradient from either head
    dHenc = dmu @ Wmu.T + dlogvar @ Wlv.T
    dpre = dHenc * (1 - Henc ** 2)
    dWe = X.T @ dpre
    dbe = dpre.sum(axis=0)
    return {"We": dWe, "be": dbe, "Wmu": dWmu, "bmu": dbmu,
            "Wlv": dWlv, "blv": dblv, "Wd": dWd, "bd": dbd}


MISTAKES = [
    ("dlogvar = 0.5 * sigma * dsigma", "dlogvar = sigma * dsigma",
     "the half of exp(logvar / 2) is not carried down"),
    ("dlogvar += 0.5 * (np.exp(logvar) - 1) / N", "dlogvar += 0.5 * (1 - np.exp(logvar)) / N",
     "the sign of the divergence is turned round"),
    ("    dmu += mu / N\n", "", "the divergence's term of the mean is forgotten"),
    ("dsigma = dZ * epsilon", "dsigma = dZ", "the noise is forgotten"),
    ("dHenc = dmu @ Wmu.T + dlogvar @ Wlv.T", "dHenc = dmu @ Wmu.T",
     "the path through the log-variance is forgotten"),
    ("dWd = Z.T @ dlogits", "dWd = mu.T @ dlogits", "the decoder's input is the sample, not the mean"),
    ("dlogits = (Xhat - X) / N", "dlogits = (Xhat - X) * Xhat * (1 - Xhat) / N",
     "the sigmoid's derivative, which has cancelled with the cross-entropy"),
]
