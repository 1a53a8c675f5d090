"""Text classifier: look up embeddings, average them, softmax on top."""

import numpy as np

# token ids of each document; some words come up twice
docs = [[0, 3, 3, 5], [1, 2], [6, 0, 1, 4, 1], [5, 5, 2], [4, 6]]
labels = np.array([2, 0, 1, 1, 2])
n_docs = len(docs)


def point(rng):
    return {
        "emb": rng.normal(size=(7, 4)),
        "W": rng.normal(size=(4, 3)),
        "b": rng.normal(size=3),
    }


def softmax(logits):
    shifted = logits - logits.max(axis=1, keepdims=True)
    exps = np.exp(shifted)
    return exps / exps.sum(axis=1, keepdims=True)


def forward(emb, W, b):
    pooled = np.stack([emb[ids].mean(axis=0) for ids in docs])
    probs = softmax(pooled @ W + b)
    return probs, pooled


def loss(emb, W, b):
    probs, _ = forward(emb, W, b)
    return -np.mean(np.log(probs[np.arange(n_docs), labels]))


def derived(emb, W, b):
    probs, pooled = forward(emb, W, b)

    dlogits = probs.copy()
    dlogits[np.arange(n_docs), labels] -= 1
    dlogits /= n_docs

    dW = pooled.T @ dlogits
    db = dlogits.sum(axis=0)
    dpooled = dlogits @ W.T

    # scatter the gradient back into the rows of the table
    demb = np.zeros_like(emb)
    for ids, g in zip(docs, dpooled):
        np.add.at(demb, ids, g / len(ids))

    return {"emb": demb, "W": dW, "b": db}


MISTAKES = [
    ("np.add.at(demb, ids, g / len(ids))", "demb[ids] += g / len(ids)",
     "words that come up twice in a document count once"),
    ("np.add.at(demb, ids, g / len(ids))", "np.add.at(demb, ids, g)",
     "the pooling's mean is left out on the way back"),
    ("np.add.at(demb, ids, g / len(ids))", "np.add.at(demb, ids, g / n_docs)",
     "divided by the number of documents instead of the document's length"),
    ("    dlogits /= n_docs\n", "", "the batch mean is left out"),
    ("dlogits[np.arange(n_docs), labels] -= 1", "dlogits[:, labels] -= 1",
     "the index takes whole columns and not one entry per row"),
    ("dW = pooled.T @ dlogits", "dW = pooled.T @ probs / n_docs",
     "the probabilities are used instead of the logits' gradient"),
    ("np.add.at(demb, ids, g / len(ids))", "demb[ids] = g / len(ids)",
     "each document overwrites what earlier ones left in the table"),
]
