"""VAE, one batch, noise fixed: Bernoulli decoder, diagonal Gaussian posterior, standard normal prior."""
import numpy as np

R = np.random.default_rng(309)
n, dx, dh, dz, dd = 5, 4, 4, 2, 3
X = (R.uniform(size=(n, dx)) > 0.5).astype(float)
noise = R.normal(size=(n, dz))


def point(rng):
    f = lambda *s: 0.7 * rng.normal(size=s)
    return {"We": f(dx, dh), "be": f(dh), "Wm": f(dh, dz), "bm": f(dz), "Wl": f(dh, dz), "bl": f(dz),
            "Wd": f(dz, dd), "bd": f(dd), "Wo": f(dd, dx), "bo": f(dx)}


def loss(We, be, Wm, bm, Wl, bl, Wd, bd, Wo, bo):
    enc = np.tanh(X @ We + be)
    mu, lv = enc @ Wm + bm, enc @ Wl + bl
    o = np.tanh((mu + np.exp(lv / 2) * noise) @ Wd + bd) @ Wo + bo
    rec = np.sum(np.log(1 + np.exp(o)) - X * o)
    kl = -0.5 * np.sum(1 + lv - mu ** 2 - np.exp(lv))
    return (rec + kl) / n


def derived(We, be, Wm, bm, Wl, bl, Wd, bd, Wo, bo):
    enc = np.tanh(X @ We + be); mu = enc @ Wm + bm; lv = enc @ Wl + bl
    std = np.exp(0.5 * lv); z = mu + std * noise
    dec = np.tanh(z @ Wd + bd); o = dec @ Wo + bo
    # reconstruction
    o_ = (1 / (1 + np.exp(-o)) - X) / n
    Wo_, bo_ = dec.T @ o_, o_.sum(0)
    k_ = (o_ @ Wo.T) * (1 - dec ** 2)
    Wd_, bd_ = z.T @ k_, k_.sum(0)
    z_ = k_ @ Wd.T
    # z = mu + std * noise, and the KL
    std_ = z_ * noise
    mu_ = z_ + mu / n
    lv_ = 0.5 * std * std_ + 0.5 * (np.exp(lv) - 1) / n
    Wm_, bm_ = enc.T @ mu_, mu_.sum(0)
    Wl_, bl_ = enc.T @ lv_, lv_.sum(0)
    # encoder
    enc_ = mu_ @ Wm.T + lv_ @ Wl.T
    a_ = enc_ * (1 - enc ** 2)
    We_, be_ = X.T @ a_, a_.sum(0)
    return {"We": We_, "be": be_, "Wm": Wm_, "bm": bm_, "Wl": Wl_, "bl": bl_, "Wd": Wd_, "bd": bd_, "Wo": Wo_, "bo": bo_}


MISTAKES = [
    ("enc_ = mu_ @ Wm.T + lv_ @ Wl.T", "enc_ = mu_ @ Wm.T", "the encoder's path through the log-variance is forgotten"),
    ("lv_ = 0.5 * std * std_ + 0.5 * (np.exp(lv) - 1) / n", "lv_ = std * std_ + 0.5 * (np.exp(lv) - 1) / n", "the half of exp(lv / 2) is left out"),
    ("mu_ = z_ + mu / n", "mu_ = z_ + mu", "the KL is not averaged over the batch"),
    ("k_ = (o_ @ Wo.T) * (1 - dec ** 2)", "k_ = (o_ @ Wo.T) * dec * (1 - dec)", "the derivative of the sigmoid, but the decoder's hidden layer is tanh"),
    ("std_ = z_ * noise", "std_ = z_", "the noise is left out of the reparametrisation"),
    ("Wd_, bd_ = z.T @ k_, k_.sum(0)", "Wd_, bd_ = mu.T @ k_, k_.sum(0)", "the decoder sees the sample, not the mean"),
]
