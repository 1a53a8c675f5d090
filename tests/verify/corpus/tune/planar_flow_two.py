"""Two planar flow layers with the invertible u; the mean energy of the samples less the log determinants."""

import numpy as np

rng0 = np.random.default_rng(909)
N, D, L = 6, 2, 2
z0 = rng0.normal(size=(N, D))
S2 = 0.5


def point(rng):
    return {"U": rng.normal(size=(L, D)), "W": rng.normal(size=(L, D)), "b": rng.normal(size=L)}


def loss(U, W, b):
    z, logdet = z0, 0.0
    for u, w, bias in zip(U, W, b):
        wu = np.sum(w * u)
        u = u + (np.log1p(np.exp(wu)) - 1 - wu) * w / np.sum(w * w)
        h = np.tanh(z @ w + bias)
        logdet = logdet + np.log(1 + (1 - h ** 2) * np.sum(u * w))
        z = z + h[:, None] * u
    energy = 0.5 * (z[:, 1] - np.sin(z[:, 0])) ** 2 / S2 + 0.5 * z[:, 0] ** 2
    return np.mean(energy - logdet)


def hat(u, w):
    q = w @ u
    return u + (np.logaddexp(0, q) - 1 - q) / (w @ w) * w


def hat_backward(u, w, duh):
    q, ww = w @ u, w @ w
    m = np.logaddexp(0, q) - 1 - q
    dm = duh @ w / ww
    dq = dm * (1 / (1 + np.exp(-q)) - 1)
    dww = -m * (duh @ w) / ww ** 2
    du = duh + dq * w
    dw = m / ww * duh + dq * u + 2 * dww * w
    return du, dw


def derived(U, W, b):
    zs, hs, uhs = [z0], [], []
    for l in range(L):
        uhs.append(hat(U[l], W[l]))
        hs.append(np.tanh(zs[l] @ W[l] + b[l]))
        zs.append(zs[l] + np.outer(hs[l], uhs[l]))

    dU, dW, db = np.zeros_like(U), np.zeros_like(W), np.zeros_like(b)
    off = (zs[-1][:, 1] - np.sin(zs[-1][:, 0])) / S2
    dz = np.stack([zs[-1][:, 0] - off * np.cos(zs[-1][:, 0]), off], axis=1) / N
    for l in range(L - 1, -1, -1):
        h, uh, w = hs[l], uhs[l], W[l]
        slope = 1 - h ** 2
        s = uh @ w
        ddet = -1 / (1 + slope * s) / N
        dslope, ds = ddet * s, np.sum(ddet * slope)
        dh = dz @ uh - 2 * h * dslope
        duh = h @ dz + ds * w
        da = dh * slope
        db[l] = np.sum(da)
        du, dw = hat_backward(U[l], w, duh)
        dU[l] = du
        dW[l] = da @ zs[l] + ds * uh + dw
        dz = dz + np.outer(da, w)
    return {"U": dU, "W": dW, "b": db}


MISTAKES = [
    ("dq = dm * (1 / (1 + np.exp(-q)) - 1)", "dq = dm / (1 + np.exp(-q))", "the derivative of the softplus alone: the minus q is forgotten"),
    ("dw = m / ww * duh + dq * u + 2 * dww * w", "dw = m / ww * duh + dq * u", "the norm of w is taken as a constant"),
    ("dh = dz @ uh - 2 * h * dslope", "dh = dz @ uh", "the determinant depends on the pre-activation as well"),
    ("duh = h @ dz + ds * w", "duh = h @ dz + ds * uh", "the derivative of u'w by u is w"),
    ("dW[l] = da @ zs[l] + ds * uh + dw", "dW[l] = da @ zs[l + 1] + ds * uh + dw", "the layer's output instead of its input"),
    ("dz = dz + np.outer(da, w)", "dz = np.outer(da, w)", "the identity path of the layer is lost"),
]
