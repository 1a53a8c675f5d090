"""Attention pooling over bags of different sizes with one learned query; long names, a loop over the bags."""

import numpy as np

rng = np.random.default_rng(4021)
bag_sizes = [3, 5, 2, 4, 6, 3]
bags = [rng.normal(size=(size, 4)) for size in bag_sizes]
labels = np.array([1.0, -1.0, -1.0, 1.0, 1.0, -1.0])
key_dim = 3


def point(rng):
    return {"query": rng.normal(size=3), "key_weights": rng.normal(size=(4, 3)),
            "value_weights": 0.6 * rng.normal(size=(4, 2)), "readout": rng.normal(size=2)}


def loss(query, key_weights, value_weights, readout):
    total = 0.0
    for bag, label in zip(bags, labels):
        scores = bag @ key_weights @ query / np.sqrt(key_dim)
        weights = np.exp(scores - scores.max())
        weights = weights / weights.sum()
        pooled = weights @ np.tanh(bag @ value_weights)
        total += np.log1p(np.exp(-label * (pooled @ readout)))
    return total / len(bags)


def derived(query, key_weights, value_weights, readout):
    grad_query = np.zeros_like(query)
    grad_key_weights = np.zeros_like(key_weights)
    grad_value_weights = np.zeros_like(value_weights)
    grad_readout = np.zeros_like(readout)
    for bag, label in zip(bags, labels):
        # forward
        keys = bag @ key_weights
        values = np.tanh(bag @ value_weights)
        scores = keys @ query / np.sqrt(key_dim)
        weights = np.exp(scores - scores.max())
        weights = weights / weights.sum()
        pooled = weights @ values
        margin = label * (pooled @ readout)
        # backward
        grad_logit = -label / (1.0 + np.exp(margin)) / len(bags)
        grad_readout += grad_logit * pooled
        grad_pooled = grad_logit * readout
        grad_weights = values @ grad_pooled
        grad_values = np.outer(weights, grad_pooled)
        grad_scores = weights * (grad_weights - weights @ grad_weights)
        grad_scores = grad_scores / np.sqrt(key_dim)
        grad_query += keys.T @ grad_scores
        grad_keys = np.outer(grad_scores, query)
        grad_key_weights += bag.T @ grad_keys
        grad_value_weights += bag.T @ (grad_values * (1.0 - values ** 2))
    return {"query": grad_query, "key_weights": grad_key_weights,
            "value_weights": grad_value_weights, "readout": grad_readout}


MISTAKES = [
    ("grad_pooled = grad_logit * readout", "grad_pooled = grad_logit * pooled", "copied from the line above, one name not changed"),
    ("grad_scores = weights * (grad_weights - weights @ grad_weights)", "grad_scores = weights * (grad_weights - grad_weights.mean())", "the softmax subtracts the plain mean, not the weighted one"),
    ("grad_values = np.outer(weights, grad_pooled)", "grad_values = np.outer(np.ones(len(bag)), grad_pooled) / len(bag)", "pooled as if by the plain mean"),
    ("grad_query += keys.T @ grad_scores", "grad_query = keys.T @ grad_scores", "only the last bag counts"),
    ("grad_value_weights += bag.T @ (grad_values * (1.0 - values ** 2))", "grad_value_weights += bag.T @ (grad_values * (1.0 - np.tanh(values) ** 2))", "tanh is applied twice in its derivative"),
    ("grad_logit = -label / (1.0 + np.exp(margin)) / len(bags)", "grad_logit = -label / (1.0 + np.exp(margin)) / len(bag)", "the items are counted instead of the bags"),
]
