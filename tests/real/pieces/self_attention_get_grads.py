"""Multi-head self-attention as a class with get_params and get_grads; heads in a loop."""

import numpy as np


class MultiHeadAttention:
    def __init__(self, d_model, n_heads, seed):
        rng = np.random.RandomState(seed)
        self.n_heads = n_heads
        self.d_head = d_model // n_heads
        self.W_q = rng.randn(d_model, d_model) * 0.7
        self.W_k = rng.randn(d_model, d_model) * 0.7
        self.W_v = rng.randn(d_model, d_model) * 0.7
        self.W_o = rng.randn(d_model, d_model) * 0.7

    def forward(self, X):
        T, D = X.shape
        self.X = X
        self.Q, self.K, self.V = X @ self.W_q, X @ self.W_k, X @ self.W_v
        self.A = np.zeros((self.n_heads, T, T))
        self.heads = np.zeros((T, D))
        for h in range(self.n_heads):
            s = slice(h * self.d_head, (h + 1) * self.d_head)
            logits = self.Q[:, s] @ self.K[:, s].T / np.sqrt(self.d_head)
            logits -= logits.max(axis=1, keepdims=True)
            e = np.exp(logits)
            self.A[h] = e / e.sum(axis=1, keepdims=True)
            self.heads[:, s] = self.A[h] @ self.V[:, s]
        return self.heads @ self.W_o

    def backward(self, dY):
        self.dW_o = self.heads.T @ dY
        dheads = dY @ self.W_o.T
        dQ, dK, dV = np.zeros_like(self.Q), np.zeros_like(self.K), np.zeros_like(self.V)
        for h in range(self.n_heads):
            s = slice(h * self.d_head, (h + 1) * self.d_head)
            A = self.A[h]
            dV[:, s] = A.T @ dheads[:, s]
            dA = dheads[:, s] @ self.V[:, s].T
            dlogits = A * (dA - (A * dA).sum(axis=0, keepdims=True))
            dlogits /= np.sqrt(self.d_head)
            dQ[:, s] = dlogits @ self.K[:, s]
            dK[:, s] = dlogits.T @ self.Q[:, s]
        self.dW_q, self.dW_k, self.dW_v = self.X.T @ dQ, self.X.T @ dK, self.X.T @ dV
        return dQ @ self.W_q.T + dK @ self.W_k.T + dV @ self.W_v.T

    def get_params(self):
        return {"W_q": self.W_q, "W_k": self.W_k, "W_v": self.W_v, "W_o": self.W_o}

    def get_grads(self):
        return {"W_q": self.dW_q, "W_k": self.dW_k, "W_v": self.dW_v, "W_o": self.dW_o}


mha = MultiHeadAttention(4, 2, seed=18)
X = np.random.RandomState(19).randn(3, 4)


def plain():
    dY = np.random.default_rng(1).normal(size=mha.forward(X).shape)
    dX = mha.backward(dY)
    return (lambda: np.sum(mha.forward(X) * dY), {"X": X, **mha.get_params()},
            {"X": dX, **mha.get_grads()})


TABLE = {
    "style": "layer object",
    "glue": "tg.verify.check_layer(mha, X)",
    "verdict": "wrong",
    "wrong": ["X", "W_q", "W_k"],
    "stores": "self.A[h] = ...",
    "says": "the softmax is over columns (axis 1) in forward and over axis 0 in backward",
    "change": ("(A * dA).sum(axis=0, keepdims=True)", "(A * dA).sum(axis=1, keepdims=True)"),
}
