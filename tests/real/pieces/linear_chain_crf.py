"""Linear-chain CRF: alpha and beta tables filled in loops; gradients from expected counts."""

import numpy as np


def logsumexp(a, axis=None):
    m = np.max(a, axis=axis, keepdims=True)
    s = np.log(np.sum(np.exp(a - m), axis=axis, keepdims=True)) + m
    return np.squeeze(s, axis=axis)


class CRF:
    def __init__(self, n_labels, n_features, seed=38):
        rng = np.random.default_rng(seed)
        self.W = rng.normal(size=(n_features, n_labels))
        self.T = rng.normal(size=(n_labels, n_labels))

    def _alphas(self, E):
        n, K = E.shape
        alpha = np.zeros((n, K))
        alpha[0] = E[0]
        for t in range(1, n):
            for k in range(K):
                alpha[t, k] = E[t, k] + logsumexp(alpha[t - 1] + self.T[:, k])
        return alpha

    def _betas(self, E):
        n, K = E.shape
        beta = np.zeros((n, K))
        for t in range(n - 2, -1, -1):
            for k in range(K):
                beta[t, k] = logsumexp(self.T[k] + E[t + 1] + beta[t + 1])
        return beta

    def nll_and_grads(self, X, y):
        E = X @ self.W
        n = len(y)
        alpha, beta = self._alphas(E), self._betas(E)
        logZ = logsumexp(alpha[-1])
        gold = sum(E[t, y[t]] for t in range(n)) + sum(self.T[y[t], y[t + 1]] for t in range(n - 1))
        nll = logZ - gold

        dE = np.exp(alpha + beta - logZ)
        dT = np.zeros_like(self.T)
        for t in range(n - 1):
            xi = alpha[t][:, None] + self.T + E[t + 1] + beta[t + 1]
            dT += np.exp(xi - logZ)
            dT[y[t], y[t + 1]] -= 1
        dE[np.arange(n), y] -= 1
        dW = X.T @ dE
        return nll, {"W_grad": dW, "T_grad": dT}


rng = np.random.default_rng(39)
X = rng.normal(size=(5, 3))
y = np.array([0, 2, 1, 1, 0])
crf = CRF(3, 3)


def objective(W, T):
    crf.W, crf.T = W, T
    return crf.nll_and_grads(X, y)


W, T = crf.W, crf.T


def plain():
    grads = objective(W, T)[1]
    return lambda: objective(W, T)[0], {"W": W, "T": T}, {"W": grads["W_grad"], "T": grads["T_grad"]}


TABLE = {
    "style": "loss and gradients",
    "glue": "tg.verify.check_derivation(objective, W=W, T=T)",
    "verdict": "right",
    "stores": "alpha[0] = E[0]; alpha[t, k] = ...",
    "says": "keys W_grad, T_grad",
    "mistakes": [
        ("beta[t, k] = logsumexp(self.T[k] + ", "beta[t, k] = logsumexp(self.T[:, k] + ",
         "the transition matrix is transposed in the backward recursion"),
        ("self.T + E[t + 1] + beta[t + 1]\n            dT", "self.T + E[t] + beta[t + 1]\n            dT",
         "the emission of the wrong step"),
        ("        dE[np.arange(n), y] -= 1\n", "", "the gold path's share of the emissions is left out"),
    ],
}
