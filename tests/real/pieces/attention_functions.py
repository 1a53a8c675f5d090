"""Causal scaled dot-product attention for a batch, with a mask stored into the scores."""

import numpy as np


def softmax(s):
    e = np.exp(s - np.max(s, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


def attention_forward(x, Wq, Wk, Wv):
    B, T, D = x.shape
    q, k, v = x @ Wq, x @ Wk, x @ Wv
    scores = q @ k.transpose(0, 2, 1) / np.sqrt(q.shape[-1])
    mask = np.triu(np.ones((T, T), dtype=bool), 1)
    scores[:, mask] = -1e9
    att = softmax(scores)
    return att @ v, (x, Wq, Wk, Wv, q, k, v, att, mask)


def attention_backward(dout, cache):
    x, Wq, Wk, Wv, q, k, v, att, mask = cache
    datt = dout @ v.transpose(0, 2, 1)
    dv = att.transpose(0, 2, 1) @ dout
    dscores = att * (datt - np.sum(att * datt, axis=-1, keepdims=True))
    dscores[:, mask] = 0
    dscores /= np.sqrt(q.shape[-1])
    dq = dscores @ k
    dk = dscores.transpose(0, 2, 1) @ q
    dx = dq @ Wq.T + dk @ Wk.T + dv @ Wv.T
    dWq = np.einsum("btd,bte->de", x, dq)
    dWk = np.einsum("btd,bte->de", x, dk)
    dWv = np.einsum("btd,bte->de", x, dv)
    return dx, dWq, dWk, dWv


rng = np.random.default_rng(9)
x = rng.normal(size=(2, 4, 3))
Wq, Wk, Wv = (rng.normal(size=(3, 3)) for _ in range(3))


def plain():
    out, cache = attention_forward(x, Wq, Wk, Wv)
    dout = np.random.default_rng(1).normal(size=out.shape)
    arrays = {"x": x, "Wq": Wq, "Wk": Wk, "Wv": Wv}
    return (lambda: np.sum(attention_forward(x, Wq, Wk, Wv)[0] * dout), arrays,
            dict(zip(arrays, attention_backward(dout, cache))))


TABLE = {
    "style": "layer functions",
    "glue": "tg.verify.check_layer(attention_forward, attention_backward, x, Wq, Wk, Wv)",
    "verdict": "right",
    "stores": "scores[:, mask] = -1e9",
    "mistakes": [
        ("    dscores /= np.sqrt(q.shape[-1])\n", "", "the scaling is forgotten on the way back"),
        ("dk = dscores.transpose(0, 2, 1) @ q", "dk = dscores @ q", "scores are not transposed for k"),
        ("dq @ Wq.T + dk @ Wk.T + dv @ Wv.T", "dq @ Wq.T + dk @ Wk.T", "the path through v is left out"),
        ("att * (datt - np.sum(att * datt, axis=-1, keepdims=True))", "att * (1 - att) * datt",
         "only the diagonal of the softmax's Jacobian"),
    ],
}
