"""Variational autoencoder with fixed noise; ELBO and its gradients in one function."""

import numpy as np

np.random.seed(42)
N, D, H, Z = 4, 5, 6, 2
X = np.random.rand(N, D).round()
noise = np.random.randn(N, Z)


def init():
    def w(a, b):
        return np.random.randn(a, b) / np.sqrt(a)
    return {"W_h": w(D, H), "b_h": 0.1 * np.random.randn(H),
            "W_mu": w(H, Z), "b_mu": 0.1 * np.random.randn(Z),
            "W_lv": w(H, Z), "b_lv": 0.1 * np.random.randn(Z),
            "W_d": w(Z, H), "b_d": 0.1 * np.random.randn(H),
            "W_x": w(H, D), "b_x": 0.1 * np.random.randn(D)}


def vae_loss(p):
    # encoder
    h = np.maximum(X @ p["W_h"] + p["b_h"], 0)
    mu = h @ p["W_mu"] + p["b_mu"]
    logvar = h @ p["W_lv"] + p["b_lv"]
    std = np.exp(0.5 * logvar)
    z = mu + std * noise
    # decoder
    d = np.tanh(z @ p["W_d"] + p["b_d"])
    x_hat = 1 / (1 + np.exp(-(d @ p["W_x"] + p["b_x"])))

    rec = -np.sum(X * np.log(x_hat) + (1 - X) * np.log(1 - x_hat))
    kl = -0.5 * np.sum(1 + logvar - mu ** 2 - np.exp(logvar))
    loss = (rec + kl) / N

    g = {}
    dlogits = (x_hat - X) / N
    g["W_x"], g["b_x"] = d.T @ dlogits, dlogits.sum(0)
    dd = (dlogits @ p["W_x"].T) * (1 - d ** 2)
    g["W_d"], g["b_d"] = z.T @ dd, dd.sum(0)
    dz = dd @ p["W_d"].T
    dmu = dz + mu / N
    dlogvar = dz * noise * std + 0.5 * (np.exp(logvar) - 1) / N
    g["W_mu"], g["b_mu"] = h.T @ dmu, dmu.sum(0)
    g["W_lv"], g["b_lv"] = h.T @ dlogvar, dlogvar.sum(0)
    dh = dmu @ p["W_mu"].T + dlogvar @ p["W_lv"].T
    dh[h <= 0] = 0
    g["W_h"], g["b_h"] = X.T @ dh, dh.sum(0)
    return loss, g


params = init()


def plain():
    return lambda: vae_loss(params)[0], params, vae_loss(params)[1]


TABLE = {
    "style": "loss and gradients",
    "glue": "tg.verify.check_derivation(vae_loss, point=params)",
    "verdict": "wrong",
    "wrong": ["W_lv", "b_lv", "W_h", "b_h"],
    "stores": "dh[h <= 0] = 0, in the gradients only",
    "says": "std = exp(logvar / 2): its derivative by logvar has the factor 1/2; one dict of parameters",
    "change": ("dlogvar = dz * noise * std + 0.5", "dlogvar = dz * noise * 0.5 * std + 0.5"),
}
