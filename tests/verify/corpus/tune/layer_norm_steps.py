"""Layer norm with scale and shift, written out step by step; a squared loss."""

import numpy as np

rng = np.random.default_rng(12)
B, D = 5, 4
Y = rng.normal(size=(B, D))
eps = 0.05


def point(rng):
    return {"x": rng.normal(size=(B, D)), "gain": 1 + 0.3 * rng.normal(size=D), "bias": rng.normal(size=D)}


def loss(x, gain, bias):
    mean = np.mean(x, axis=1, keepdims=True)
    var = np.mean((x - mean) ** 2, axis=1, keepdims=True)
    xn = (x - mean) / np.sqrt(var + eps)
    out = gain * xn + bias
    return 0.5 * np.sum((out - Y) ** 2)


def derived(x, gain, bias):
    mu = x.mean(1, keepdims=True)
    xmu = x - mu
    var = (xmu ** 2).mean(1, keepdims=True)
    std = np.sqrt(var + eps)
    ivar = 1.0 / std
    xhat = xmu * ivar

    dout = gain * xhat + bias - Y
    dbias = dout.sum(0)
    dgain = (dout * xhat).sum(0)
    dxhat = dout * gain
    divar = (dxhat * xmu).sum(1, keepdims=True)
    dxmu1 = dxhat * ivar
    dstd = -divar / std ** 2
    dvar = 0.5 * dstd / std
    dsq = np.ones((B, D)) * dvar / D
    dxmu2 = 2 * xmu * dsq
    dx1 = dxmu1 + dxmu2
    dmu = -dx1.sum(1, keepdims=True)
    dx2 = np.ones((B, D)) * dmu / D
    return {"x": dx1 + dx2, "gain": dgain, "bias": dbias}


MISTAKES = [
    ("dvar = 0.5 * dstd / std", "dvar = 0.5 * dstd * std", "the root's derivative is 1/(2 std)"),
    ("dsq = np.ones((B, D)) * dvar / D", "dsq = np.ones((B, D)) * dvar / B", "the mean is over features, not over rows"),
    ("dx1 = dxmu1 + dxmu2", "dx1 = dxmu1", "the path through the variance is left out"),
    ("dmu = -dx1.sum(1, keepdims=True)", "dmu = -dxmu1.sum(0)", "the sum is over the wrong axis"),
    ('return {"x": dx1 + dx2, ', 'return {"x": dx1, ', "the path through the mean is left out"),
    ("dstd = -divar / std ** 2", "dstd = divar / std ** 2", "the minus of the reciprocal's derivative"),
    ("dxhat = dout * gain", "dxhat = dout", "the gain is left out"),
    ("divar = (dxhat * xmu).sum(1, keepdims=True)", "divar = (dxhat * xhat).sum(1, keepdims=True)", "the normalised input for the centred one"),
    ("dgain = (dout * xhat).sum(0)", "dgain = (dout * xmu).sum(0)", "the input before it is divided"),
]
