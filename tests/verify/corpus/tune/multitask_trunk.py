"""Two tasks on a shared trunk, weighted by learned log-variances; samples are COLUMNS throughout."""

import numpy as np

rng = np.random.default_rng(61)
m, n_in, n_trunk, n_head, n_reg, n_cls = 7, 4, 5, 3, 2, 3
X = rng.normal(size=(n_in, m))
Y_reg = rng.normal(size=(n_reg, m))
Y_cls = np.eye(n_cls)[:, rng.integers(0, n_cls, size=m)]


def point(rng):
    return {"W": rng.normal(size=(n_trunk, n_in)), "b": rng.normal(size=(n_trunk, 1)),
            "Wr": rng.normal(size=(n_reg, n_trunk)), "br": rng.normal(size=(n_reg, 1)),
            "Wh": rng.normal(size=(n_head, n_trunk)), "Wc": rng.normal(size=(n_cls, n_head)),
            "bc": rng.normal(size=(n_cls, 1)), "s": 0.5 * rng.normal(size=2)}


def loss(W, b, Wr, br, Wh, Wc, bc, s):
    trunk = np.tanh(W @ X + b)
    mse = np.sum((Wr @ trunk + br - Y_reg) ** 2) / m
    o = Wc @ np.logaddexp(0, Wh @ trunk) + bc
    o = o - np.max(o, axis=0, keepdims=True)
    ce = np.mean(np.log(np.sum(np.exp(o), axis=0)) - np.sum(Y_cls * o, axis=0))
    return 0.5 * np.exp(-s[0]) * mse + np.exp(-s[1]) * ce + 0.5 * np.sum(s)


def forward(W, b, Wr, br, Wh, Wc, bc):
    c = {}
    c["A"] = np.tanh(np.dot(W, X) + b)
    c["R"] = np.dot(Wr, c["A"]) + br
    c["Zh"] = np.dot(Wh, c["A"])
    c["H"] = np.log1p(np.exp(c["Zh"]))
    Zc = np.dot(Wc, c["H"]) + bc
    c["P"] = np.exp(Zc) / np.sum(np.exp(Zc), axis=0, keepdims=True)
    return c


def derived(W, b, Wr, br, Wh, Wc, bc, s):
    c = forward(W, b, Wr, br, Wh, Wc, bc)
    g = {}
    w_reg = 0.5 * np.exp(-s[0])
    w_cls = np.exp(-s[1])
    mse = np.sum((c["R"] - Y_reg) ** 2) / m
    ce = -np.sum(Y_cls * np.log(c["P"])) / m
    g["s"] = np.array([0.5 - w_reg * mse, 0.5 - w_cls * ce])

    # regression head
    dR = w_reg * 2 * (c["R"] - Y_reg) / m
    g["Wr"] = np.dot(dR, c["A"].T)
    g["br"] = np.sum(dR, axis=1, keepdims=True)
    dA_reg = np.dot(Wr.T, dR)

    # classification head
    dZc = w_cls * (c["P"] - Y_cls) / m
    g["Wc"] = np.dot(dZc, c["H"].T)
    g["bc"] = np.sum(dZc, axis=1, keepdims=True)
    dH = np.dot(Wc.T, dZc)
    dZh = dH / (1 + np.exp(-c["Zh"]))
    g["Wh"] = np.dot(dZh, c["A"].T)
    dA_cls = np.dot(Wh.T, dZh)

    # trunk
    dA = dA_reg + dA_cls
    dZ = dA * (1 - c["A"] ** 2)
    g["W"] = np.dot(dZ, X.T)
    g["b"] = np.sum(dZ, axis=1, keepdims=True)
    return g


MISTAKES = [
    ("dA = dA_reg + dA_cls", "dA = dA_reg + w_cls * dA_cls", "the uncertainty weight of the second task a second time"),
    ("dZh = dH / (1 + np.exp(-c[\"Zh\"]))", "dZh = dH / (1 + np.exp(-c[\"H\"]))", "the softplus's derivative at the activation, not before it"),
    ("dR = w_reg * 2 * (c[\"R\"] - Y_reg) / m", "dR = w_reg * (c[\"R\"] - Y_reg) / m", "the half and the 2 cancel only once: w_reg already holds the half"),
    ("g[\"s\"] = np.array([0.5 - w_reg * mse, 0.5 - w_cls * ce])", "g[\"s\"] = np.array([0.5 - w_reg * mse, 0.5 - w_reg * ce])", "the first task's weight for the second"),
    ("dZ = dA * (1 - c[\"A\"] ** 2)", "dZ = dA * c[\"A\"] * (1 - c[\"A\"])", "the derivative of the sigmoid for that of tanh"),
    ("dZc = w_cls * (c[\"P\"] - Y_cls) / m", "dZc = (c[\"P\"] - Y_cls) / m", "the uncertainty weight is left out of the classification branch"),
]
