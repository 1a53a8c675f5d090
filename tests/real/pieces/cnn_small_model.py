"""Convolution, average pooling and a softmax output in one class; patches are filled in loops."""

import numpy as np


class SmallCNN:
    def __init__(self, n_filters, size, n_classes, image, rng):
        self.k = size
        self.out = (image - size + 1) // 2
        self.filters = rng.normal(size=(n_filters, size, size))
        self.weights = rng.normal(size=(n_filters * self.out ** 2, n_classes)) * 0.5
        self.bias = rng.normal(size=n_classes) * 0.1

    def forward(self, images):
        n, s, _ = images.shape
        m = s - self.k + 1
        self.images = images
        self.maps = np.zeros((n, len(self.filters), m, m))
        for i in range(m):
            for j in range(m):
                patch = images[:, None, i:i + self.k, j:j + self.k]
                self.maps[:, :, i, j] = (patch * self.filters).sum(axis=(2, 3))
        self.act = np.maximum(self.maps, 0.0)
        pooled = np.empty((n, len(self.filters), self.out, self.out))
        for i in range(self.out):
            for j in range(self.out):
                pooled[:, :, i, j] = self.act[:, :, 2 * i:2 * i + 2, 2 * j:2 * j + 2].mean(axis=(2, 3))
        self.flat = pooled.reshape(n, -1)
        logits = self.flat @ self.weights + self.bias
        e = np.exp(logits - logits.max(1, keepdims=True))
        self.p = e / e.sum(1, keepdims=True)
        return self.p

    def loss(self, images, labels):
        n = len(images)
        p = self.forward(images)
        return -np.log(p[np.arange(n), labels]).mean()

    def grads(self, images, labels):
        n = len(images)
        d = self.forward(images).copy()
        d[np.arange(n), labels] -= 1
        d /= n
        dweights = self.flat.T @ d
        dbias = d.sum(0)
        dpool = (d @ self.weights.T).reshape(n, len(self.filters), self.out, self.out)
        dact = np.zeros_like(self.act)
        for i in range(self.out):
            for j in range(self.out):
                dact[:, :, 2 * i:2 * i + 2, 2 * j:2 * j + 2] = dpool[:, :, i, j][:, :, None, None] / 4
        dmaps = dact * (self.maps > 0)
        dfilters = np.zeros_like(self.filters)
        m = dmaps.shape[-1]
        for i in range(m):
            for j in range(m):
                patch = images[:, None, i:i + self.k, j:j + self.k]
                dfilters += (patch * dmaps[:, :, i, j][:, :, None, None]).sum(axis=0)
        return dfilters, dweights, dbias


rng = np.random.default_rng(59)
images, labels = rng.normal(size=(3, 6, 6)), np.array([0, 2, 1])
cnn = SmallCNN(2, 3, 3, 6, rng)
filters, weights, bias = cnn.filters, cnn.weights, cnn.bias


def loss(filters, weights, bias):
    cnn.filters, cnn.weights, cnn.bias = filters, weights, bias
    return cnn.loss(images, labels)


def derived(filters, weights, bias):
    cnn.filters, cnn.weights, cnn.bias = filters, weights, bias
    return cnn.grads(images, labels)


def plain():
    arrays = {"filters": filters, "weights": weights, "bias": bias}
    return lambda: loss(**arrays), arrays, dict(zip(arrays, derived(**arrays)))


TABLE = {
    "style": "two functions",
    "glue": "tg.verify.check_derivation(loss, derived, filters=filters, weights=weights, bias=bias)",
    "verdict": "right",
    "stores": "self.maps[:, :, i, j] = ...; pooled[:, :, i, j] = ...",
    "mistakes": [
        ("dpool[:, :, i, j][:, :, None, None] / 4", "dpool[:, :, i, j][:, :, None, None]",
         "the mean's factor 1/4 is left out"),
        ("dmaps = dact * (self.maps > 0)", "dmaps = dact", "relu' is left out"),
        ("dfilters += (patch", "dfilters = (patch", "only the last place counts"),
        ("(patch * dmaps[:, :, i, j][:, :, None, None]).sum(axis=0)",
         "(patch * dmaps[:, :, i, j][:, :, None, None]).mean(axis=0)", "averaged over the samples again"),
    ],
}
