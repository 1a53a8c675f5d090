"""Hidden Markov model with softmax parameters; scaled forward-backward, gradient by counts."""

import numpy as np


def rows_softmax(Z):
    e = np.exp(Z - Z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def forward_backward(pi, A, B, obs):
    T, K = len(obs), len(pi)
    alpha, beta, c = np.zeros((T, K)), np.zeros((T, K)), np.zeros(T)
    for t in range(T):
        alpha[t] = (pi if t == 0 else alpha[t - 1] @ A) * B[:, obs[t]]
        c[t] = alpha[t].sum()
        alpha[t] /= c[t]
    beta[T - 1] = 1
    for t in range(T - 2, -1, -1):
        beta[t] = A @ (B[:, obs[t + 1]] * beta[t + 1]) / c[t + 1]
    return alpha, beta, c


def negative_log_likelihood(u, V, S, obs):
    alpha, beta, c = forward_backward(rows_softmax(u), rows_softmax(V), rows_softmax(S), obs)
    return -np.log(c).sum()


def gradient(u, V, S, obs):
    pi, A, B = rows_softmax(u), rows_softmax(V), rows_softmax(S)
    alpha, beta, c = forward_backward(pi, A, B, obs)
    gamma = alpha * beta
    xi = np.zeros_like(A)
    for t in range(len(obs) - 1):
        xi += np.outer(alpha[t], B[:, obs[t + 1]] * beta[t + 1]) * A / c[t + 1]
    emitted = np.zeros_like(B)
    for t in range(len(obs)):
        emitted[:, obs[t]] += gamma[t]
    grad_u = pi - gamma[0]
    grad_V = A * xi.sum(axis=1, keepdims=True) - xi
    grad_S = B * gamma[:-1].sum(axis=0)[:, None] - emitted
    return {"grad_u": grad_u, "grad_V": grad_V, "grad_S": grad_S}


rng = np.random.default_rng(40)
obs = np.array([0, 1, 1, 3, 2, 0])
u, V, S = rng.normal(size=3), rng.normal(size=(3, 3)), rng.normal(size=(3, 4))


def plain():
    grads = gradient(u, V, S, obs)
    return (lambda: negative_log_likelihood(u, V, S, obs), {"u": u, "V": V, "S": S},
            {name: grads["grad_" + name] for name in "uVS"})


TABLE = {
    "style": "two functions",
    "glue": "tg.verify.check_derivation(lambda u, V, S: negative_log_likelihood(u, V, S, obs),\n"
            "    lambda u, V, S: gradient(u, V, S, obs), u=u, V=V, S=S)",
    "verdict": "wrong",
    "wrong": ["S"],
    "stores": "alpha[t] = ...; alpha[t] /= c[t]; c[t] = ...",
    "says": "the last step emits, too: gamma[:-1] belongs to the transitions",
    "change": ("gamma[:-1].sum(axis=0)[:, None]", "gamma.sum(axis=0)[:, None]"),
}
