"""A convolution, tanh, and a weighted sum, with loops."""

import numpy as np

rng = np.random.default_rng(6)
image, c = rng.normal(size=(5, 6)), rng.normal(size=(3, 4))
kernel, bias = rng.normal(size=(3, 3)), np.array(0.1)


def loss(kernel, bias):
    rows = []
    for i in range(3):
        rows.append(np.stack([np.sum(image[i:i + 3, j:j + 3] * kernel) for j in range(4)]))
    return np.sum(c * np.tanh(np.stack(rows) + bias))


def derived(kernel, bias):
    out = np.zeros((3, 4))
    for i in range(3):
        for j in range(4):
            out[i, j] = np.sum(image[i:i + 3, j:j + 3] * kernel) + bias
    dout = c * (1 - np.tanh(out) ** 2)
    dkernel = np.zeros_like(kernel)
    for i in range(3):
        for j in range(4):
            dkernel += dout[i, j] * image[i:i + 3, j:j + 3]
    dbias = dout.sum()
    return {"kernel": dkernel, "bias": dbias}


MISTAKES = [
    ("dout = c * (1 - np.tanh(out) ** 2)", "dout = c", "tanh's derivative is forgotten"),
    ("dkernel += dout[i, j] * image[i:i + 3, j:j + 3]",
     "dkernel = dout[i, j] * image[i:i + 3, j:j + 3]", "the places add up"),
    ("dkernel += dout[i, j] * image[i:i + 3, j:j + 3]",
     "dkernel += dout[i, j] * image[i:i + 3, j:j + 3][::-1, ::-1]", "no flip belongs here"),
    ("dbias = dout.sum()", "dbias = dout.mean()", "the bias adds up the places"),
    ("dout = c * (1 - np.tanh(out) ** 2)", "dout = c * (1 - out ** 2)",
     "tanh' is 1 - tanh(z)**2, not 1 - z**2"),
]
