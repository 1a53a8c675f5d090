"""Siamese network: contrastive loss on the cosine of two codes, with a margin for the negative pairs."""

import numpy as np

rng = np.random.default_rng(99)
num_pairs, num_inputs, num_hidden, num_codes = 8, 4, 5, 3
left_inputs = rng.normal(size=(num_pairs, num_inputs))
right_inputs = rng.normal(size=(num_pairs, num_inputs))
is_same = np.array([1, 0, 1, 0, 0, 1, 0, 0])
margin = -0.8
positive_weight = 1.5


def point(rng):
    return {"W1": 0.6 * rng.normal(size=(num_hidden, num_inputs)), "b1": 0.3 * rng.normal(size=num_hidden),
            "W2": rng.normal(size=(num_codes, num_hidden)), "b2": 0.5 * rng.normal(size=num_codes)}


def loss(W1, b1, W2, b2):
    u = np.tanh(left_inputs @ W1.T + b1) @ W2.T + b2
    v = np.tanh(right_inputs @ W1.T + b1) @ W2.T + b2
    cos = np.sum(u * v, axis=1) / np.sqrt(np.sum(u * u, axis=1) * np.sum(v * v, axis=1))
    pull = positive_weight * (1 - cos) ** 2
    push = np.maximum(cos - margin, 0) ** 2
    return np.mean(np.where(is_same == 1, pull, push))


def encode(x, W1, b1, W2, b2):
    hidden = np.tanh(W1.dot(x) + b1)
    code = W2.dot(hidden) + b2
    return code, {"x": x, "hidden": hidden}


def encode_backward(dcode, cache, W2, grads):
    grads["W2"] += np.outer(dcode, cache["hidden"])
    grads["b2"] += dcode
    dhidden = W2.T.dot(dcode)
    dpre = (1 - cache["hidden"] ** 2) * dhidden
    grads["W1"] += np.outer(dpre, cache["x"])
    grads["b1"] += dpre


def derived(W1, b1, W2, b2):
    grads = {"W1": np.zeros_like(W1), "b1": np.zeros_like(b1), "W2": np.zeros_like(W2), "b2": np.zeros_like(b2)}
    for i in range(num_pairs):
        left, left_cache = encode(left_inputs[i], W1, b1, W2, b2)
        right, right_cache = encode(right_inputs[i], W1, b1, W2, b2)
        left_norm = np.linalg.norm(left)
        right_norm = np.linalg.norm(right)
        similarity = left.dot(right) / (left_norm * right_norm)

        if is_same[i]:
            dsimilarity = -2 * positive_weight * (1 - similarity)
        elif similarity > margin:
            dsimilarity = 2 * (similarity - margin)
        else:
            dsimilarity = 0.0
        dsimilarity /= num_pairs

        left_unit = left / left_norm
        right_unit = right / right_norm
        dleft = dsimilarity * (right_unit - similarity * left_unit) / left_norm
        dright = dsimilarity * (left_unit - similarity * right_unit) / right_norm
        encode_backward(dleft, left_cache, W2, grads)
        encode_backward(dright, right_cache, W2, grads)
    return grads


MISTAKES = [
    ("dleft = dsimilarity * (right_unit - similarity * left_unit) / left_norm", "dleft = dsimilarity * right / (left_norm * right_norm)", "the norm of the left code is taken for a constant"),
    ("dright = dsimilarity * (left_unit - similarity * right_unit) / right_norm", "dright = dsimilarity * (left_unit - similarity * right_unit) / left_norm", "copied from the line above, the norm not renamed"),
    ("dsimilarity = 2 * (similarity - margin)", "dsimilarity = 2 * similarity", "the derivative of the square without the margin inside"),
    ("        encode_backward(dright, right_cache, W2, grads)\n", "", "only one of the two towers of shared weights is counted"),
    ("dsimilarity = -2 * positive_weight * (1 - similarity)", "dsimilarity = 2 * positive_weight * (1 - similarity)", "the sign of the inner derivative is lost"),
    ("""grads["b1"] += dpre""", """grads["b1"] += dhidden""", "the bias of the first layer before the tanh's derivative"),
]
