"""Highway layer written for speed: buffers, out=, fill, copyto; then its hand-written gradients."""

import numpy as np


def highway_forward(x, Wh, Wt, bt):
    n, d = x.shape
    h, t, y = np.empty((n, d)), np.empty((n, d)), np.empty((n, d))
    np.matmul(x, Wh, out=h)
    np.tanh(h, out=h)
    np.matmul(x, Wt, out=t)
    t += bt
    np.negative(t, out=t)
    np.exp(t, out=t)
    t += 1
    np.reciprocal(t, out=t)
    np.copyto(y, x)
    y -= t * x
    y += t * h
    return y, dict(x=x, Wh=Wh, Wt=Wt, h=h, t=t)


def highway_backward(dy, cache):
    x, h, t = cache["x"], cache["h"], cache["t"]
    dh = dy * t * (1 - h * h)
    dt = dy * (h - x) * t * (1 - t)
    dx = np.empty_like(x)
    np.multiply(dy, 1 - t, out=dx)
    dx += dh @ cache["Wh"].T
    dx += dt @ cache["Wt"].T
    return {"grad_x": dx, "grad_Wh": x.T @ dh, "grad_Wt": x.T @ dt, "grad_bt": dt.sum(0)}


rng = np.random.default_rng(66)
x, Wh, Wt, bt = (rng.normal(size=s) for s in ((4, 3), (3, 3), (3, 3), 3))


def plain():
    y, cache = highway_forward(x, Wh, Wt, bt)
    dy = np.random.default_rng(1).normal(size=y.shape)
    arrays = {"x": x, "Wh": Wh, "Wt": Wt, "bt": bt}
    grads = highway_backward(dy, cache)
    return (lambda: np.sum(highway_forward(x, Wh, Wt, bt)[0] * dy), arrays,
            {name: grads["grad_" + name] for name in arrays})


TABLE = {
    "style": "layer functions",
    "glue": "tg.verify.check_layer(highway_forward, highway_backward, x, Wh, Wt, bt)",
    "verdict": "right",
    "stores": "np.matmul(x, Wh, out=h); np.copyto(y, x); t += ...",
    "says": "keys grad_x, grad_Wh …",
    "mistakes": [
        ("dt = dy * (h - x) * t", "dt = dy * h * t", "the carry's share of the gate is left out"),
        ("    np.multiply(dy, 1 - t, out=dx)\n", "    dx.fill(0)\n", "the carry's own path is left out"),
        ("    dx += dt @ cache[\"Wt\"].T\n", "", "the gate's path to x is left out"),
        ("dh = dy * t * (1 - h * h)", "dh = dy * t", "tanh' is left out"),
    ],
}
