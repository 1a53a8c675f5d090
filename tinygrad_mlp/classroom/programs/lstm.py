"""One step of an LSTM cell."""

import numpy as np

rng = np.random.default_rng(8)
size = 3
x, h0, c0, v = (rng.normal(size=k) for k in (4, size, size, size))
joined = np.concatenate([x, h0])
Wf, Wi, Wo, Wg = (rng.normal(size=(size, 4 + size)) for _ in range(4))


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def loss(Wf, Wi, Wo, Wg):
    f, i, o = sigmoid(Wf @ joined), sigmoid(Wi @ joined), sigmoid(Wo @ joined)
    g = np.tanh(Wg @ joined)
    c = f * c0 + i * g
    return np.sum(v * (o * np.tanh(c)))


def derived(Wf, Wi, Wo, Wg):
    f, i, o = sigmoid(Wf @ joined), sigmoid(Wi @ joined), sigmoid(Wo @ joined)
    g = np.tanh(Wg @ joined)
    c = f * c0 + i * g
    dh = v
    do = dh * np.tanh(c)
    dc = dh * o * (1 - np.tanh(c) ** 2)
    df = dc * c0
    di = dc * g
    dg = dc * i
    dzf = df * f * (1 - f)
    dzi = di * i * (1 - i)
    dzo = do * o * (1 - o)
    dzg = dg * (1 - g**2)
    return {"Wf": np.outer(dzf, joined), "Wi": np.outer(dzi, joined),
            "Wo": np.outer(dzo, joined), "Wg": np.outer(dzg, joined)}


MISTAKES = [
    ("dc = dh * o * (1 - np.tanh(c) ** 2)", "dc = dh * o", "tanh's derivative is forgotten"),
    ("dc = dh * o * (1 - np.tanh(c) ** 2)", "dc = dh * o * (1 - c**2)",
     "tanh' is 1 - tanh(c)**2, not 1 - c**2"),
    ("df = dc * c0", "df = dc * c", "the forget gate multiplies the old cell"),
    ("di = dc * g", "di = dc * i", "the other factor belongs here"),
    ("dzg = dg * (1 - g**2)", "dzg = dg * g * (1 - g)", "the candidate is a tanh, not a sigmoid"),
    ("do = dh * np.tanh(c)", "do = dh * c", "the output gate multiplies tanh(c)"),
]
