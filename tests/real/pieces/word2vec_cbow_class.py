"""CBOW with MatMul layers, params and grads in lists, and softmax with loss; one-hot contexts."""

import numpy as np


class MatMul:
    def __init__(self, W):
        self.params = [W]
        self.grads = [np.zeros_like(W)]
        self.x = None

    def forward(self, x):
        W, = self.params
        out = np.dot(x, W)
        self.x = x
        return out

    def backward(self, dout):
        W, = self.params
        dx = np.dot(dout, W.T)
        dW = np.dot(self.x.T, dout)
        self.grads[0][...] = dW
        return dx


class SoftmaxWithLoss:
    def __init__(self):
        self.params, self.grads = [], []

    def forward(self, x, t):
        e = np.exp(x - x.max(axis=1, keepdims=True))
        self.y = e / e.sum(axis=1, keepdims=True)
        self.t = t.argmax(axis=1) if t.size == self.y.size else t
        batch_size = self.y.shape[0]
        return -np.sum(np.log(self.y[np.arange(batch_size), self.t])) / batch_size

    def backward(self, dout=1):
        batch_size = self.t.shape[0]
        dx = self.y.copy()
        dx[np.arange(batch_size), self.t] -= 1
        dx *= dout
        return dx / batch_size


class SimpleCBOW:
    def __init__(self, W_in, W_out):
        self.in_layer0 = MatMul(W_in)
        self.in_layer1 = MatMul(W_in)
        self.out_layer = MatMul(W_out)
        self.loss_layer = SoftmaxWithLoss()
        self.params, self.grads = [], []
        for layer in (self.in_layer0, self.in_layer1, self.out_layer):
            self.params += layer.params
            self.grads += layer.grads
        self.word_vecs = W_in

    def forward(self, contexts, target):
        h0 = self.in_layer0.forward(contexts[:, 0])
        h1 = self.in_layer1.forward(contexts[:, 1])
        h = (h0 + h1) * 0.5
        score = self.out_layer.forward(h)
        return self.loss_layer.forward(score, target)

    def backward(self, dout=1):
        ds = self.loss_layer.backward(dout)
        da = self.out_layer.backward(ds)
        da *= 0.5
        self.in_layer1.backward(da)
        self.in_layer0.backward(da)
        return None


rng = np.random.default_rng(15)
V, H = 6, 3
contexts = np.eye(V)[rng.integers(0, V, size=(4, 2))]
target = np.eye(V)[rng.integers(0, V, size=4)]
model = SimpleCBOW(rng.normal(size=(V, H)), rng.normal(size=(H, V)))


def plain():
    model.forward(contexts, target)
    model.backward()
    return (lambda: model.forward(contexts, target),
            {"W_in": model.params[0], "W_out": model.params[2]},
            {"W_in": model.grads[0] + model.grads[1], "W_out": model.grads[2]})


TABLE = {
    "style": "layer object",
    "glue": "tg.verify.check_layer(model, contexts, target)",
    "verdict": "right",
    "stores": "self.grads[0][...] = dW, in the gradients only",
    "says": "W_in stands twice in params: its two gradients are shares, which add up",
    "mistakes": [
        ("        da *= 0.5\n", "", "the mean's factor 1/2 is left out"),
        ("dx[np.arange(batch_size), self.t] -= 1", "dx[:, self.t] -= 1", "all rows, not each its own"),
    ],
}
