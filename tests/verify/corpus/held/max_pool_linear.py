"""Max pooling in windows of 2 x 2, then a linear layer with softmax; x is (N, C, H, W)."""

import numpy as np

rng = np.random.default_rng(26)
N, C, H, W = 3, 2, 4, 6
Hp, Wp = H // 2, W // 2
K = 4
labels = rng.integers(0, K, size=N)


def point(rng):
    return {
        "x": rng.normal(size=(N, C, H, W)),
        "V": 0.5 * rng.normal(size=(C * Hp * Wp, K)),
        "c": rng.normal(size=K),
    }


def loss(x, V, c):
    pooled = x.reshape(N, C, Hp, 2, Wp, 2).max(axis=(3, 5))
    scores = pooled.reshape(N, -1) @ V + c
    scores = scores - scores.max(axis=1, keepdims=True)
    logp = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    return -np.mean(logp[np.arange(N), labels])


def max_pool_forward(x):
    """Return the maxima and, of each window, the number 0..3 of its largest entry."""
    P = np.zeros((N, C, Hp, Wp))
    winner = np.zeros((N, C, Hp, Wp), dtype=int)
    for i in range(Hp):
        for j in range(Wp):
            window = x[:, :, 2 * i:2 * i + 2, 2 * j:2 * j + 2].reshape(N, C, 4)
            P[:, :, i, j] = window.max(axis=2)
            winner[:, :, i, j] = window.argmax(axis=2)
    return P, winner


def max_pool_backward(dP, winner):
    """Send each gradient to the entry that won; the other three get none."""
    dx = np.zeros((N, C, H, W))
    for m, ch, i, j in np.ndindex(N, C, Hp, Wp):
        r, s = divmod(winner[m, ch, i, j], 2)
        dx[m, ch, 2 * i + r, 2 * j + s] = dP[m, ch, i, j]
    return dx


def derived(x, V, c):
    # forward
    P, winner = max_pool_forward(x)
    flat = P.reshape(N, -1)
    Z = flat @ V + c
    expZ = np.exp(Z - Z.max(axis=1, keepdims=True))
    Q = expZ / expZ.sum(axis=1, keepdims=True)

    # backward: dZ = (q - onehot(label)) / N
    dZ = Q.copy()
    dZ[np.arange(N), labels] -= 1
    dZ /= N
    dV = flat.T @ dZ
    dc = dZ.sum(axis=0)
    dflat = dZ @ V.T
    dP = dflat.reshape(P.shape)
    dx = max_pool_backward(dP, winner)
    return {"x": dx, "V": dV, "c": dc}


MISTAKES = [
    ("r, s = divmod(winner[m, ch, i, j], 2)", "s, r = divmod(winner[m, ch, i, j], 2)",
     "row and column within the window are exchanged"),
    ("dx[m, ch, 2 * i + r, 2 * j + s] = dP[m, ch, i, j]",
     "dx[m, ch, 2 * i:2 * i + 2, 2 * j:2 * j + 2] = dP[m, ch, i, j] / 4",
     "the gradient of average pooling"),
    ("dx[m, ch, 2 * i + r, 2 * j + s] = dP[m, ch, i, j]", "dx[m, ch, i + r, j + s] = dP[m, ch, i, j]",
     "the stride is forgotten in the backward pass"),
    ("    dZ /= N\n", "", "the mean over the batch is left out"),
    ("dZ[np.arange(N), labels] -= 1", "dZ[:, labels] -= 1", "the 1 is taken from each row at every label"),
    ("dP = dflat.reshape(P.shape)", "dP = dflat.reshape(C, N, Hp, Wp).transpose(1, 0, 2, 3)",
     "the flat gradient is split with channels first"),
    ("winner[:, :, i, j] = window.argmax(axis=2)", "winner[:, :, i, j] = np.abs(window).argmax(axis=2)",
     "the entry of the largest size wins, not the largest entry"),
]
