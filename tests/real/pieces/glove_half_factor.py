"""GloVe: weighted least squares over co-occurrences; the factor 2 is absorbed by the rate."""

import numpy as np


def glove(W, C, bw, bc, X, x_max=10.0, alpha=0.75):
    cost = 0
    gW, gC = np.zeros_like(W), np.zeros_like(C)
    gbw, gbc = np.zeros_like(bw), np.zeros_like(bc)
    for i, j in zip(*X.nonzero()):
        weight = (X[i, j] / x_max) ** alpha if X[i, j] < x_max else 1
        inner = W[i].dot(C[j]) + bw[i] + bc[j] - np.log(X[i, j])
        cost += weight * inner ** 2
        grad = weight * inner
        gW[i] += grad * C[j]
        gC[j] += grad * W[i]
        gbw[i] += grad
        gbc[j] += grad
    return cost, gW, gC, gbw, gbc


rng = np.random.default_rng(63)
X = rng.integers(0, 15, size=(5, 5)).astype(float)
W, C, bw, bc = rng.normal(size=(5, 3)), rng.normal(size=(5, 3)), rng.normal(size=5), rng.normal(size=5)


def plain():
    arrays = {"W": W, "C": C, "bw": bw, "bc": bc}
    return lambda: glove(**arrays, X=X)[0], arrays, dict(zip(arrays, glove(**arrays, X=X)[1:]))


TABLE = {
    "style": "loss and gradients",
    "glue": "f = lambda W, C, bw, bc: glove(W, C, bw, bc, X)\n"
            "tg.verify.check_derivation(f, W=W, C=C, bw=bw, bc=bc)",
    "verdict": "convention",
    "convention": "scale",
    "size": 0.5,
    "wrong": ["W", "C", "bw", "bc"],
    "stores": "W[i].dot(C[j]); gW[i] += ... in the gradients",
    "says": "right up to the factor 1/2: the 2 of the square is left out everywhere",
    "change": ("grad = weight * inner\n", "grad = 2 * weight * inner\n"),
    "also": ["cost += weight * inner ** 2"],
}
