"""Two highway layers with shared weights in a loop over depth; rows are samples."""

import numpy as np

rng = np.random.default_rng(91)
x0 = rng.normal(size=(4, 3))
target = rng.normal(size=(4, 3))
depth = 2


def point(rng):
    return {"Wh": rng.normal(size=(3, 3)), "Wt": rng.normal(size=(3, 3)), "bt": rng.normal(size=3)}


def loss(Wh, Wt, bt):
    x = x0
    for _ in range(depth):
        h = np.maximum(x @ Wh, 0)
        t = 1 / (1 + np.exp(-(x @ Wt + bt)))
        x = t * h + (1 - t) * x
    return np.mean((x - target) ** 2)


def derived(Wh, Wt, bt):
    xs, hs, ts = [x0], [], []
    for l in range(depth):
        hs.append(np.maximum(xs[-1] @ Wh, 0))
        ts.append(1 / (1 + np.exp(-(xs[-1] @ Wt + bt))))
        xs.append(ts[l] * hs[l] + (1 - ts[l]) * xs[l])
    dx = 2 * (xs[-1] - target) / target.size
    dWh = np.zeros_like(Wh)
    dWt = np.zeros_like(Wt)
    dbt = np.zeros_like(bt)
    for l in reversed(range(depth)):
        h, t, x = hs[l], ts[l], xs[l]
        dt = dx * (h - x)
        dh = dx * t
        dskip = dx * (1 - t)
        da = dh * (h > 0)
        dz = dt * t * (1 - t)
        dWh += x.T @ da
        dWt += x.T @ dz
        dbt += dz.sum(0)
        dx = dskip + da @ Wh.T + dz @ Wt.T
    return {"Wh": dWh, "Wt": dWt, "bt": dbt}


MISTAKES = [
    ("dt = dx * (h - x)", "dt = dx * h", "the carry gate also depends on t"),
    ("dx = dskip + da @ Wh.T + dz @ Wt.T", "dx = da @ Wh.T + dz @ Wt.T", "the skip is left out"),
    ("dx = dskip + da @ Wh.T + dz @ Wt.T", "dx = dskip + da @ Wh.T", "the gate's path is left out"),
    ("dskip = dx * (1 - t)", "dskip = dx * t", "the wrong gate"),
    ("h, t, x = hs[l], ts[l], xs[l]", "h, t, x = hs[l], ts[l], xs[l + 1]", "the layer's output for its input"),
    ("dz = dt * t * (1 - t)", "dz = dt * t * (1 - t ** 2)", "tanh's square"),
    ("dx = 2 * (xs[-1] - target) / target.size", "dx = 2 * (xs[-1] - target) / len(target)", "the mean is over all entries"),
    ("da = dh * (h > 0)", "da = dh * (x > 0)", "the mask of the wrong array"),
]
