"""A convolution by im2col with a bias and ReLU; x is (N, C, H, W), the filters are (F, C, k, k)."""

import numpy as np

rng = np.random.default_rng(25)
N, C, H, W = 2, 3, 4, 5
F, k = 4, 2
Ho, Wo = H - k + 1, W - k + 1
T = rng.normal(size=(N, F, Ho, Wo))


def point(rng):
    return {
        "x": rng.normal(size=(N, C, H, W)),
        "w": 0.5 * rng.normal(size=(F, C, k, k)),
        "b": 0.3 * rng.normal(size=F),
    }


def loss(x, w, b):
    maps = []
    for i in range(Ho):
        for j in range(Wo):
            patch = x[:, :, i:i + k, j:j + k].reshape(N, -1)
            maps.append(np.maximum(patch @ w.reshape(F, -1).T + b, 0))
    out = np.stack(maps, axis=2).reshape(N, F, Ho, Wo)
    return 0.5 * np.sum((out - T) ** 2) / N


def im2col(x):
    """Return the patches as rows: (N * Ho * Wo, C * k * k)."""
    cols = np.zeros((N, Ho, Wo, C * k * k))
    for p in range(Ho):
        for q in range(Wo):
            cols[:, p, q] = x[:, :, p:p + k, q:q + k].reshape(N, -1)
    return cols.reshape(N * Ho * Wo, -1)


def col2im(dcols):
    """Add the rows back to the pixels that they were copied from."""
    dcols = dcols.reshape(N, Ho, Wo, C, k, k)
    dx = np.zeros((N, C, H, W))
    for row in range(Ho):
        for col in range(Wo):
            dx[:, :, row:row + k, col:col + k] += dcols[:, row, col]
    return dx


def derived(x, w, b):
    # forward: Z = cols w^T + b, one row for each position
    cols = im2col(x)
    wrow = w.reshape(F, -1)
    Z = cols @ wrow.T + b
    A = np.maximum(0, Z)
    out = A.reshape(N, Ho, Wo, F).transpose(0, 3, 1, 2)

    # backward
    dout = (out - T) / N
    dA = dout.transpose(0, 2, 3, 1).reshape(-1, F)
    dZ = dA * (Z > 0)
    db = dZ.sum(axis=0)
    dw = (dZ.T @ cols).reshape(w.shape)
    dcols = dZ @ wrow
    dx = col2im(dcols)
    return {"x": dx, "w": dw, "b": db}


MISTAKES = [
    ("dx[:, :, row:row + k, col:col + k] += dcols[:, row, col]",
     "dx[:, :, row:row + k, col:col + k] = dcols[:, row, col]",
     "overlapping patches are overwritten and not added"),
    ("dA = dout.transpose(0, 2, 3, 1).reshape(-1, F)", "dA = dout.reshape(-1, F)",
     "the channels are not moved to the end before the reshape"),
    ("dZ = dA * (Z > 0)", "dZ = dA", "the derivative of the ReLU is forgotten"),
    ("dw = (dZ.T @ cols).reshape(w.shape)", "dw = (cols.T @ dZ).reshape(w.shape)",
     "the product is transposed, and the reshape hides it"),
    ("for row in range(Ho):", "for row in range(Ho - 1):", "the last row of positions is left out"),
    ("db = dZ.sum(axis=0)", "db = dZ.mean(axis=0)",
     "the bias is shared by the positions: a sum, not a mean"),
    ("dcols = dZ @ wrow", "dcols = dA @ wrow", "the gradient before the ReLU is propagated to the input"),
]
