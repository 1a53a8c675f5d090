"""GRU over three steps on a batch, sum of squares at every step."""

import numpy as np

G = np.random.default_rng(5)
steps, B, D, H = 3, 4, 2, 3
xs = G.normal(size=(steps, B, D))
ys = G.normal(size=(steps, B, H))


def point(rng):
    p = {}
    for n in "zrn":
        p["W" + n] = rng.normal(size=(D, H))
        p["U" + n] = 0.6 * rng.normal(size=(H, H))
    return p


def s(a):
    return 1.0 / (1.0 + np.exp(-a))


def loss(Wz, Uz, Wr, Ur, Wn, Un):
    h = np.zeros((B, H))
    total = 0.0
    for t in range(steps):
        z = s(xs[t] @ Wz + h @ Uz)
        r = s(xs[t] @ Wr + h @ Ur)
        n = np.tanh(xs[t] @ Wn + (r * h) @ Un)
        h = (1 - z) * n + z * h
        total = total + 0.5 * np.sum((h - ys[t]) ** 2)
    return total / B


def derived(Wz, Uz, Wr, Ur, Wn, Un):
    hs = [np.zeros((B, H))]
    zs, rs, ns = [], [], []
    for t in range(steps):
        h = hs[-1]
        z = s(xs[t] @ Wz + h @ Uz)
        r = s(xs[t] @ Wr + h @ Ur)
        n = np.tanh(xs[t] @ Wn + (r * h) @ Un)
        zs.append(z)
        rs.append(r)
        ns.append(n)
        hs.append((1 - z) * n + z * h)
    grads = {k: np.zeros_like(v) for k, v in dict(Wz=Wz, Uz=Uz, Wr=Wr, Ur=Ur, Wn=Wn, Un=Un).items()}
    dh_next = np.zeros((B, H))
    for t in range(steps - 1, -1, -1):
        hp, z, r, n = hs[t], zs[t], rs[t], ns[t]
        dh = (hs[t + 1] - ys[t]) / B + dh_next
        dz = dh * (hp - n) * z * (1 - z)
        dn = dh * (1 - z) * (1 - n ** 2)
        drh = dn @ Un.T
        dr = drh * hp * r * (1 - r)
        grads["Wz"] += xs[t].T @ dz
        grads["Uz"] += hp.T @ dz
        grads["Wr"] += xs[t].T @ dr
        grads["Ur"] += hp.T @ dr
        grads["Wn"] += xs[t].T @ dn
        grads["Un"] += (r * hp).T @ dn
        dh_next = dh * z + dz @ Uz.T + dr @ Ur.T + drh * r
    return grads


MISTAKES = [
    ("dz = dh * (hp - n) * z * (1 - z)",
     "dz = dh * hp * z * (1 - z)", "the candidate's share of the update gate is forgotten"),
    ("dz = dh * (hp - n) * z * (1 - z)",
     "dz = dh * (n - hp) * z * (1 - z)", "the sign of the update gate's share"),
    ("dh_next = dh * z + dz @ Uz.T + dr @ Ur.T + drh * r",
     "dh_next = dh * z + dz @ Uz.T + dr @ Ur.T + drh", "the reset gate is lost on the way back"),
    ("dh_next = dh * z + dz @ Uz.T + dr @ Ur.T + drh * r",
     "dh_next = dh * z + dz @ Uz.T + dr @ Ur.T", "the path through the reset state is forgotten"),
    ("dh_next = dh * z + dz @ Uz.T + dr @ Ur.T + drh * r",
     "dh_next = dz @ Uz.T + dr @ Ur.T + drh * r", "the direct path to the step before is forgotten"),
    ("grads[\"Un\"] += (r * hp).T @ dn",
     "grads[\"Un\"] += hp.T @ dn", "the reset gate is left out of the weights' gradient"),
    ("dh = (hs[t + 1] - ys[t]) / B + dh_next",
     "dh = (hs[t + 1] - ys[t]) / B", "what comes from the next step is forgotten"),
    ("dh = (hs[t + 1] - ys[t]) / B + dh_next",
     "dh = (hs[t] - ys[t]) / B + dh_next", "the state before the step for the one after it"),
    ("dr = drh * hp * r * (1 - r)",
     "dr = drh * r * (1 - r)", "the state's factor in the reset gate is left out"),
    ("dn = dh * (1 - z) * (1 - n ** 2)",
     "dn = dh * z * (1 - n ** 2)", "the wrong gate's factor"),
    ("grads[\"Wr\"] += xs[t].T @ dr",
     "grads[\"Wr\"] += xs[t].T @ dz", "the update gate's gradient for the reset gate's"),
]
