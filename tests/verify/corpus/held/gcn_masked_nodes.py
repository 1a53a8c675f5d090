"""Two-layer graph convolutional network; only some nodes carry a label."""

import numpy as np

rng = np.random.default_rng(44)
edges = [(0, 1), (0, 2), (1, 3), (2, 3), (3, 4), (4, 5), (0, 5)]
adj = np.eye(6)
for i, j in edges:
    adj[i, j] = adj[j, i] = 1.0
A_hat = adj / adj.sum(axis=1, keepdims=True)  # D^-1 (A + I)
X = rng.normal(size=(6, 5))
Y = np.eye(3)[[0, 2, 1, 1, 0, 2]]
train_mask = np.array([1.0, 1.0, 0.0, 1.0, 0.0, 1.0])
weight_decay = 0.05


def point(rng):
    return {"W1": rng.normal(size=(5, 4)), "W2": rng.normal(size=(4, 3))}


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def relu(z):
    return np.maximum(z, 0)


def loss(W1, W2):
    H = relu(A_hat @ X @ W1)
    probs = softmax(A_hat @ H @ W2)
    ce = -np.sum(Y * np.log(probs), axis=1)
    return np.sum(ce * train_mask) / train_mask.sum() + weight_decay * np.sum(W1 ** 2)


def derived(W1, W2):
    # forward, keep everything
    AX = A_hat @ X
    Z1 = AX @ W1
    H1 = relu(Z1)
    AH = A_hat @ H1
    P = softmax(AH @ W2)

    # backward
    dZ2 = (P - Y) * train_mask[:, None] / train_mask.sum()
    dW2 = AH.T @ dZ2
    dAH = dZ2 @ W2.T
    dH1 = A_hat.T @ dAH
    dZ1 = dH1 * (Z1 > 0)
    dW1 = AX.T @ dZ1
    dW1 += 2 * weight_decay * W1
    return {"W1": dW1, "W2": dW2}


MISTAKES = [
    ("dH1 = A_hat.T @ dAH", "dH1 = A_hat @ dAH",
     "the adjacency is not transposed; normalised by rows, it isn't symmetric"),
    ("dH1 = A_hat.T @ dAH", "dH1 = dAH", "the second layer's propagation is not undone"),
    ("(P - Y) * train_mask[:, None] / train_mask.sum()", "(P - Y) / train_mask.sum()",
     "nodes without a label are not masked"),
    ("(P - Y) * train_mask[:, None] / train_mask.sum()",
     "(P - Y) * train_mask[:, None] / len(X)",
     "divided by all nodes instead of the labelled ones"),
    ("dW2 = AH.T @ dZ2", "dW2 = H1.T @ dZ2", "the hidden states before the propagation are used"),
    ("    dZ1 = dH1 * (Z1 > 0)", "    dZ1 = dH1", "ReLU's derivative is left out"),
    ("    dW1 += 2 * weight_decay * W1", "    dW1 += weight_decay * W1",
     "the factor 2 of the weight decay is left out"),
]
