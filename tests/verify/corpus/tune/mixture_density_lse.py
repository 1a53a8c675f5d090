"""Density of one real variable as a mixture of Gaussians; softmax weights, softplus widths, log-sum-exp."""
import numpy as np

G = np.random.default_rng(6)
x = np.concatenate([G.normal(-1, .5, 5), G.normal(1.5, .8, 6)])[:, None]   # (n, 1)
n, K = len(x), 3

def point(rng):
    return {"a": rng.normal(size=K), "m": rng.normal(size=K), "q": rng.normal(size=K)}

def loss(a, m, q):
    w = np.exp(a) / np.sum(np.exp(a))
    sig = np.log1p(np.exp(q))
    dens = np.sum(w * np.exp(-.5 * ((x - m) / sig) ** 2) / (np.sqrt(2 * np.pi) * sig), axis=1)
    return -np.mean(np.log(dens))

def derived(a, m, q):
    s = np.logaddexp(0, q)
    u = (x - m) / s
    la = a - np.log(np.exp(a).sum())
    l = la - np.log(s) - .5 * np.log(2 * np.pi) - .5 * u**2   # (n, K)
    top = l.max(1, keepdims=True)
    L = top + np.log(np.exp(l - top).sum(1, keepdims=True))
    r = np.exp(l - L)
    dl = -r / n
    dla = dl.sum(0)
    da = dla - np.exp(la) * dla.sum()
    du = -dl * u
    dm = -(du / s).sum(0)
    ds = -(dl / s + du * u / s).sum(0)
    dq = ds / (1 + np.exp(-q))
    return {"a": da, "m": dm, "q": dq}

MISTAKES = [
    ("ds = -(dl / s + du * u / s).sum(0)", "ds = -(du * u / s).sum(0)", "the normalising constant depends on the width as well"),
    ("da = dla - np.exp(la) * dla.sum()", "da = dla * (1 - np.exp(la))", "only the diagonal of the log-softmax's Jacobian"),
    ("dq = ds / (1 + np.exp(-q))", "dq = ds * s", "as if the width were exp(q)"),
    ("dm = -(du / s).sum(0)", "dm = -(du / s**2).sum(0)", "one 1/s is in u already"),
    ("r = np.exp(l - L)", "r = np.exp(l - top)", "the largest term is taken off, not the log-sum-exp"),
    ("du = -dl * u", "du = -2 * dl * u", "the half before the square is forgotten"),
]
