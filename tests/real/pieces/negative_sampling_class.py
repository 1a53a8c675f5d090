"""Negative sampling as a layer with an embedding dot product; samples are given, not drawn."""

import numpy as np


class Embedding:
    def __init__(self, W):
        self.params = [W]
        self.grads = [np.zeros_like(W)]
        self.idx = None

    def forward(self, idx):
        W, = self.params
        self.idx = idx
        return W[idx]

    def backward(self, dout):
        dW, = self.grads
        np.add.at(dW, self.idx, dout)


class EmbeddingDot:
    def __init__(self, W):
        self.embed = Embedding(W)
        self.params = self.embed.params
        self.grads = self.embed.grads
        self.cache = None

    def forward(self, h, idx):
        target_W = self.embed.forward(idx)
        out = np.sum(target_W * h, axis=1)
        self.cache = (h, target_W)
        return out

    def backward(self, dout):
        h, target_W = self.cache
        dout = dout.reshape(dout.shape[0], 1)
        self.embed.backward(dout * h)
        return dout * target_W


class SigmoidWithLoss:
    def forward(self, x, t):
        self.t = t
        self.y = 1 / (1 + np.exp(-x))
        return -np.mean(np.log(np.where(t == 1, self.y, 1 - self.y)))

    def backward(self, dout=1):
        return (self.y - self.t) * dout / self.y.shape[0]


class NegativeSamplingLoss:
    def __init__(self, W, negatives):
        self.negatives = negatives
        k = negatives.shape[1]
        self.embed_dot_layers = [EmbeddingDot(W) for _ in range(k + 1)]
        self.loss_layers = [SigmoidWithLoss() for _ in range(k + 1)]
        self.params = [W]
        self.grads = [layer.grads[0] for layer in self.embed_dot_layers]

    def forward(self, h, target):
        n = target.shape[0]
        score = self.embed_dot_layers[0].forward(h, target)
        loss = self.loss_layers[0].forward(score, np.ones(n, dtype=np.int32))
        for i in range(self.negatives.shape[1]):
            score = self.embed_dot_layers[1 + i].forward(h, self.negatives[:, i])
            loss += self.loss_layers[1 + i].forward(score, np.zeros(n, dtype=np.int32))
        return loss

    def backward(self, dout=1):
        dh = 0
        for grad in self.grads:
            grad[...] = 0
        for l0, l1 in zip(self.loss_layers, self.embed_dot_layers):
            dscore = l0.backward(dout)
            dh = l1.backward(dscore)
        return dh

    def get_grads(self):
        return [sum(self.grads)]


rng = np.random.default_rng(16)
V, D = 7, 3
target = np.array([0, 3, 3, 5])
negatives = rng.integers(0, V, size=(4, 2))
h = rng.normal(size=(4, D))
layer = NegativeSamplingLoss(rng.normal(size=(V, D)), negatives)


def plain():
    layer.forward(h, target)
    dh = layer.backward()
    return (lambda: layer.forward(h, target), {"h": h, "W": layer.params[0]},
            {"h": dh, "W": layer.get_grads()[0]})


TABLE = {
    "style": "layer object",
    "glue": "tg.verify.check_layer(layer, h, target)",
    "verdict": "wrong",
    "wrong": ["h"],
    "stores": "np.add.at(dW, self.idx, dout), in the gradients only",
    "says": "dh keeps only the last negative sample's share; shares add up",
    "change": ("dh = l1.backward(dscore)", "dh = dh + l1.backward(dscore)"),
    "also": ["dh = 0"],
}
