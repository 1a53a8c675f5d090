"""Graph classification: two graph convolutions, mean over nodes, cross entropy. Nodes are columns."""

import numpy as np

g0 = np.random.default_rng(41)
D_IN, D1, D2, N_CLASS = 3, 5, 4, 3


def make_graph(n_nodes, label):
    A = (g0.uniform(size=(n_nodes, n_nodes)) < 0.4).astype(float) + np.eye(n_nodes)
    A = np.minimum(A, 1)
    return {"S": A / A.sum(axis=0), "X": g0.normal(size=(D_IN, n_nodes)), "label": label}


GRAPHS = [make_graph(4, 0), make_graph(6, 2), make_graph(3, 1)]


def point(rng):
    return dict(W1=rng.normal(size=(D1, D_IN)), b1=rng.normal(size=(D1, 1)), W2=rng.normal(size=(D2, D1)),
                b2=rng.normal(size=(D2, 1)), V=rng.normal(size=(N_CLASS, D2)), c=rng.normal(size=N_CLASS))


def loss(W1, b1, W2, b2, V, c):
    losses = []
    for graph in GRAPHS:
        S = graph["S"]
        first = np.maximum(0, W1 @ graph["X"] @ S + b1)
        second = np.tanh(W2 @ first @ S + b2)
        score = V @ second.mean(axis=1) + c
        losses.append(np.log(np.exp(score).sum()) - score[graph["label"]])
    return sum(losses) / len(losses)


def forward(graph, params):
    S, X = graph["S"], graph["X"]
    cache = {}
    cache["M1"] = X @ S
    cache["U1"] = params["W1"] @ cache["M1"] + params["b1"]
    cache["H1"] = np.maximum(cache["U1"], 0)
    cache["M2"] = cache["H1"] @ S
    cache["U2"] = params["W2"] @ cache["M2"] + params["b2"]
    cache["H2"] = np.tanh(cache["U2"])
    cache["pool"] = cache["H2"].mean(axis=1)
    logits = params["V"] @ cache["pool"] + params["c"]
    e = np.exp(logits - logits.max())
    cache["prob"] = e / e.sum()
    return cache


def backward(graph, params, cache, grads):
    S = graph["S"]
    n_nodes = S.shape[0]
    delta = cache["prob"].copy()
    delta[graph["label"]] -= 1
    delta /= len(GRAPHS)
    grads["V"] += np.outer(delta, cache["pool"])
    grads["c"] += delta
    dpool = params["V"].T @ delta
    dH2 = np.tile(dpool[:, None], (1, n_nodes)) / n_nodes
    dU2 = dH2 * (1 - cache["H2"] ** 2)
    grads["W2"] += dU2 @ cache["M2"].T
    grads["b2"] += dU2.sum(axis=1, keepdims=True)
    dM2 = params["W2"].T @ dU2
    dH1 = dM2 @ S.T
    dU1 = dH1 * (cache["U1"] > 0)
    grads["W1"] += dU1 @ cache["M1"].T
    grads["b1"] += dU1.sum(axis=1, keepdims=True)


def derived(W1, b1, W2, b2, V, c):
    params = dict(W1=W1, b1=b1, W2=W2, b2=b2, V=V, c=c)
    grads = {name: np.zeros_like(value) for name, value in params.items()}
    for graph in GRAPHS:
        cache = forward(graph, params)
        backward(graph, params, cache, grads)
    return grads


MISTAKES = [
    ("dH1 = dM2 @ S.T", "dH1 = dM2 @ S", "the propagation matrix is not symmetric"),
    ("dH2 = np.tile(dpool[:, None], (1, n_nodes)) / n_nodes", "dH2 = np.tile(dpool[:, None], (1, n_nodes))", "the mean's 1/n over the nodes is left out"),
    ("dU2 = dH2 * (1 - cache[\"H2\"] ** 2)", "dU2 = dH2 * (1 - cache[\"U2\"] ** 2)", "tanh's derivative from the value before the activation"),
    ("grads[\"W2\"] += dU2 @ cache[\"M2\"].T", "grads[\"W2\"] += dU2 @ cache[\"H1\"].T", "the neighbours are not mixed in the weight's gradient"),
    ("grads[\"b1\"] += dU1.sum(axis=1, keepdims=True)", "grads[\"b1\"] = dU1.sum(axis=1, keepdims=True)", "= for +=, only the last graph counts"),
    ("delta[graph[\"label\"]] -= 1", "delta[graph[\"label\"]] = 1 - delta[graph[\"label\"]]", "the sign at the true class"),
]
