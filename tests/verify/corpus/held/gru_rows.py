"""A GRU over two steps on a batch of rows; squared error of a linear readout at the end."""

import numpy as np

rng = np.random.default_rng(30)
N, D, H = 5, 3, 4
X = rng.normal(size=(2, N, D))          # X[t] is the batch at step t
H0 = 0.5 * rng.normal(size=(N, H))
Y = rng.normal(size=(N, 2))


def point(rng):
    params = {}
    for gate in ("z", "r", "h"):
        params["W" + gate] = rng.normal(size=(D, H))
        params["U" + gate] = rng.normal(size=(H, H))
        params["b" + gate] = 0.3 * rng.normal(size=H)
    params["V"] = rng.normal(size=(H, 2))
    return params


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def loss(Wz, Uz, bz, Wr, Ur, br, Wh, Uh, bh, V):
    state = H0
    for x in X:
        z = sigmoid(x @ Wz + state @ Uz + bz)
        r = sigmoid(x @ Wr + state @ Ur + br)
        cand = np.tanh(x @ Wh + (r * state) @ Uh + bh)
        state = (1 - z) * state + z * cand
    return 0.5 * np.sum((state @ V - Y) ** 2) / N


def derived(Wz, Uz, bz, Wr, Ur, br, Wh, Uh, bh, V):
    params = {"Wz": Wz, "Uz": Uz, "bz": bz, "Wr": Wr, "Ur": Ur, "br": br,
              "Wh": Wh, "Uh": Uh, "bh": bh, "V": V}
    grads = {name: np.zeros_like(value) for name, value in params.items()}

    # forward through time: h_t = (1 - z_t) h_{t-1} + z_t htilde_t
    cache = []
    Ht = H0
    for t in range(2):
        Hprev = Ht
        Zt = sigmoid(X[t] @ Wz + Hprev @ Uz + bz)
        Rt = sigmoid(X[t] @ Wr + Hprev @ Ur + br)
        Htilde = np.tanh(X[t] @ Wh + (Rt * Hprev) @ Uh + bh)
        Ht = (1 - Zt) * Hprev + Zt * Htilde
        cache.append((Hprev, Zt, Rt, Htilde))

    # readout at the last step
    dout = (Ht @ V - Y) / N
    grads["V"] = Ht.T @ dout
    dH = dout @ V.T

    # backward through time
    for t in reversed(range(2)):
        Hprev, Zt, Rt, Htilde = cache[t]

        # the candidate
        dHtilde = dH * Zt
        dAh = dHtilde * (1 - Htilde ** 2)
        grads["Wh"] += X[t].T @ dAh
        grads["Uh"] += (Rt * Hprev).T @ dAh
        grads["bh"] += dAh.sum(axis=0)
        dRH = dAh @ Uh.T

        # the reset gate: it multiplies h_{t-1}
        dR = dRH * Hprev
        dAr = dR * Rt * (1 - Rt)
        grads["Wr"] += X[t].T @ dAr
        grads["Ur"] += Hprev.T @ dAr
        grads["br"] += dAr.sum(axis=0)

        # the update gate
        dZ = dH * (Htilde - Hprev)
        dAz = dZ * Zt * (1 - Zt)
        grads["Wz"] += X[t].T @ dAz
        grads["Uz"] += Hprev.T @ dAz
        grads["bz"] += dAz.sum(axis=0)

        # four paths to h_{t-1}
        dHprev = dH * (1 - Zt)
        dHprev += dRH * Rt
        dHprev += dAr @ Ur.T
        dHprev += dAz @ Uz.T
        dH = dHprev
    return grads


MISTAKES = [
    ("dZ = dH * (Htilde - Hprev)", "dZ = dH * Htilde", "the update gate's effect on the old state is forgotten"),
    ("        dHprev += dRH * Rt\n", "", "the path through the reset state is forgotten"),
    ('grads["Uh"] += (Rt * Hprev).T @ dAh', 'grads["Uh"] += Hprev.T @ dAh',
     "the candidate's input is the reset state"),
    ('grads["Wr"] += X[t].T @ dAr', 'grads["Wr"] = X[t].T @ dAr', "the step overwrites the sum: = for +="),
    ("dHprev = dH * (1 - Zt)", "dHprev = dH * Zt", "the two parts of the update are exchanged"),
    ("dAr = dR * Rt * (1 - Rt)", "dAr = dR * (1 - Rt ** 2)", "tanh' for a sigmoid gate"),
    ("dHprev += dAz @ Uz.T", "dHprev += dAz @ Uz", "the recurrent matrix is not transposed"),
]
