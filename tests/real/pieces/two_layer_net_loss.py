"""TwoLayerNet with model.loss(X, y), which returns the loss and a dict of gradients."""

import numpy as np


class TwoLayerNet(object):
    def __init__(self, input_dim=4, hidden_dim=5, num_classes=3, weight_scale=0.8, reg=0.0, seed=0):
        rng = np.random.RandomState(seed)
        self.params = {}
        self.reg = reg
        self.params["W1"] = weight_scale * rng.randn(input_dim, hidden_dim)
        self.params["b1"] = 0.1 * rng.randn(hidden_dim)
        self.params["W2"] = weight_scale * rng.randn(hidden_dim, num_classes)
        self.params["b2"] = 0.1 * rng.randn(num_classes)

    def loss(self, X, y=None):
        W1, b1 = self.params["W1"], self.params["b1"]
        W2, b2 = self.params["W2"], self.params["b2"]
        N, D = X.shape

        # Forward pass
        hidden = np.dot(X, W1) + b1
        hidden[hidden < 0] = 0
        scores = np.dot(hidden, W2) + b2
        if y is None:
            return scores

        shifted = scores - np.max(scores, axis=1)[:, None]
        probs = np.exp(shifted) / np.sum(np.exp(shifted), axis=1)[:, None]
        loss = -np.mean(np.log(probs[np.arange(N), y]))
        loss += self.reg * (np.sum(W1 * W1) + np.sum(W2 * W2))

        # Backward pass
        grads = {}
        dscores = probs.copy()
        dscores[np.arange(N), y] -= 1
        dscores /= N
        grads["W2"] = np.dot(hidden.T, dscores) + self.reg * W2
        grads["b2"] = np.sum(dscores, axis=0)
        dhidden = np.dot(dscores, W2.T)
        dhidden[hidden == 0] = 0
        grads["W1"] = np.dot(X.T, dhidden) + 2 * self.reg * W1
        grads["b1"] = np.sum(dhidden, axis=0)
        return loss, grads


rng = np.random.RandomState(32)
X = rng.randn(6, 4)
y = np.array([0, 1, 2, 2, 1, 0])
model = TwoLayerNet(reg=0.05)


def plain():
    return lambda: model.loss(X, y)[0], model.params, model.loss(X, y)[1]


TABLE = {
    "style": "loss and gradients",
    "glue": "def f(**params): model.params.update(params); return model.loss(X, y)\n"
            "tg.verify.check_derivation(f, **model.params)",
    "verdict": "wrong",
    "wrong": ["W2"],
    "stores": "hidden[hidden < 0] = 0",
    "says": "the factor 2 of the squared norm is left out in W2 (it is there in W1)",
    "change": ("dscores) + self.reg * W2", "dscores) + 2 * self.reg * W2"),
}
