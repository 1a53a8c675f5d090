"""Matrix factorisation, one stochastic step for a rating; Q's update reads the new P."""

import numpy as np


def sgd_step(P, Q, u, i, r, lr, lam):
    """Change P[u] and Q[i] in place; return the loss before the step."""
    e = r - P[u] @ Q[i]
    loss = 0.5 * e ** 2 + 0.5 * lam * (P[u] @ P[u] + Q[i] @ Q[i])
    P[u] += lr * (e * Q[i] - lam * P[u])
    Q[i] += lr * (e * P[u] - lam * Q[i])
    return loss


rng = np.random.default_rng(50)
P, Q = rng.normal(size=(4, 3)), rng.normal(size=(5, 3))
lr = 0.05


def plain():
    p, q = P.copy(), Q.copy()
    sgd_step(p, q, 1, 3, 4.0, lr, 0.1)
    return (lambda: sgd_step(P.copy(), Q.copy(), 1, 3, 4.0, lr, 0.1), {"P": P, "Q": Q},
            {"P": (P - p) / lr, "Q": (Q - q) / lr})


TABLE = {
    "style": "step",
    "glue": "tg.verify.check_step(lambda P, Q: sgd_step(P, Q, 1, 3, 4.0, lr, 0.1), {'P': P, 'Q': Q}, lr)",
    "verdict": "wrong",
    "wrong": ["Q"],
    "stores": "P[u] += ... of a parameter, which is the step",
    "says": "Q's gradient is taken with P[u] after its update",
    "change": ("    P[u] += lr * (e * Q[i] - lam * P[u])\n    Q[i] += lr * (e * P[u] - lam * Q[i])",
               "    p = P[u].copy()\n    P[u] += lr * (e * Q[i] - lam * P[u])\n"
               "    Q[i] += lr * (e * p - lam * Q[i])"),
}
