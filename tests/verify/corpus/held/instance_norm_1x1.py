"""1x1 convolution, instance normalisation with gain and shift, softplus, 1x1 convolution. NCHW, all in einsum."""
import numpy as np

_r = np.random.default_rng(303)
n, ci, c, co, hh, ww = 3, 2, 4, 3, 3, 4
img = _r.normal(size=(n, ci, hh, ww))
tgt = _r.normal(size=(n, co, hh, ww))
eps = 1e-3
ein = np.einsum


def point(rng):
    return dict(K=rng.normal(size=(c, ci)), gam=1 + 0.3 * rng.normal(size=c), bet=0.5 * rng.normal(size=c),
                M=rng.normal(size=(co, c)), m=rng.normal(size=co))


def loss(K, gam, bet, M, m):
    u = ein("kc,nchw->nkhw", K, img)
    mu = u.mean(axis=(2, 3), keepdims=True)
    v = ((u - mu) ** 2).mean(axis=(2, 3), keepdims=True)
    s = gam[:, None, None] * (u - mu) / np.sqrt(v + eps) + bet[:, None, None]
    out = ein("ok,nkhw->nohw", M, np.log1p(np.exp(s))) + m[:, None, None]
    return ((out - tgt) ** 2).mean()


def derived(K, gam, bet, M, m):
    u = ein("kc,nchw->nkhw", K, img)
    u0 = u - u.mean((2, 3), keepdims=True)
    istd = 1 / np.sqrt((u0 ** 2).mean((2, 3), keepdims=True) + eps)
    uh = u0 * istd
    s = ein("k,nkhw->nkhw", gam, uh) + bet[:, None, None]
    a = np.log1p(np.exp(s))
    out = ein("ok,nkhw->nohw", M, a) + m[:, None, None]

    g_out = 2 / out.size * (out - tgt)
    g_m = ein("nohw->o", g_out)
    g_M = ein("nohw,nkhw->ok", g_out, a)
    g_a = ein("ok,nohw->nkhw", M, g_out)
    g_s = g_a / (1 + np.exp(-s))
    g_bet = ein("nkhw->k", g_s)
    g_gam = ein("nkhw,nkhw->k", g_s, uh)
    g_uh = ein("k,nkhw->nkhw", gam, g_s)
    g_istd = ein("nkhw,nkhw->nk", g_uh, u0)[:, :, None, None]
    g_var = -0.5 * istd ** 3 * g_istd
    g_u0 = g_uh * istd + 2 / (hh * ww) * g_var * u0
    g_u = g_u0 - g_u0.mean((2, 3), keepdims=True)
    g_K = ein("nkhw,nchw->kc", g_u, img)
    return dict(K=g_K, gam=g_gam, bet=g_bet, M=g_M, m=g_m)


MISTAKES = [
    ("g_s = g_a / (1 + np.exp(-s))", "g_s = g_a / (1 + np.exp(-a))", "the sigmoid at the output of softplus and not at its input"),
    ("g_u = g_u0 - g_u0.mean((2, 3), keepdims=True)", "g_u = g_u0", "the mean's dependence on the map is forgotten"),
    ("g_var = -0.5 * istd ** 3 * g_istd", "g_var = -0.5 * istd ** 2 * g_istd", "the power of the inverse deviation, from memory"),
    ("g_u0 = g_uh * istd + 2 / (hh * ww) * g_var * u0", "g_u0 = g_uh * istd + 2 / (n * hh * ww) * g_var * u0", "the count of batch normalisation"),
    ('g_gam = ein("nkhw,nkhw->k", g_s, uh)', 'g_gam = ein("nkhw,nkhw->k", g_s, u0)', "the gain multiplies the normalised map, not the centred one"),
    ('g_uh = ein("k,nkhw->nkhw", gam, g_s)', 'g_uh = ein("k,nkhw->nkhw", gam, g_a)', "the gradient from above the softplus"),
]
