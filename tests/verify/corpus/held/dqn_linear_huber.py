"""DQN's temporal-difference loss with a linear Q-function and a frozen target network."""

import numpy as np

rng = np.random.default_rng(48)
batch_size, n_features, n_actions = 6, 4, 3
batch = {
    "state": rng.normal(size=(batch_size, n_features)),
    "action": np.array([0, 2, 1, 1, 2, 0]),
    "reward": np.array([1.0, -0.5, 0.2, 2.0, 0.0, -1.0]),
    "next_state": rng.normal(size=(batch_size, n_features)),
    "done": np.array([0.0, 0.0, 1.0, 0.0, 1.0, 0.0]),
}
target_net = {"W": rng.normal(size=(n_features, n_actions)), "b": rng.normal(size=n_actions)}
gamma = 0.95
l2 = 0.1


def point(rng):
    return {"W": rng.normal(size=(n_features, n_actions)), "b": rng.normal(size=n_actions)}


def q_values(state, W, b):
    return state @ W + b


def loss(W, b):
    q_next = q_values(batch["next_state"], **target_net).max(axis=1)
    y = batch["reward"] + gamma * (1 - batch["done"]) * q_next
    q = q_values(batch["state"], W, b)[np.arange(batch_size), batch["action"]]
    err = q - y
    huber = np.where(np.abs(err) <= 1, 0.5 * err ** 2, np.abs(err) - 0.5)
    return huber.mean() + 0.5 * l2 * np.sum(W ** 2)


def td_targets(net):
    best_next = np.max(q_values(batch["next_state"], net["W"], net["b"]), axis=1)
    not_done = 1 - batch["done"]
    return batch["reward"] + gamma * not_done * best_next


def derived(W, b):
    rows = np.arange(batch_size)
    q_all = q_values(batch["state"], W, b)
    td_error = q_all[rows, batch["action"]] - td_targets(target_net)

    # Huber: linear beyond 1, so the gradient is clipped
    g = np.clip(td_error, -1, 1) / batch_size

    # only the action that was taken gets a gradient
    dq = np.zeros_like(q_all)
    dq[rows, batch["action"]] = g

    grads = {}
    grads["W"] = batch["state"].T @ dq + l2 * W
    grads["b"] = dq.sum(axis=0)
    return grads


MISTAKES = [
    ("g = np.clip(td_error, -1, 1) / batch_size", "g = td_error / batch_size",
     "the squared loss's derivative: large errors are not clipped"),
    ("td_targets(target_net)", 'td_targets({"W": W, "b": b})',
     "the target is computed with the network that is trained"),
    ("return batch[\"reward\"] + gamma * not_done * best_next",
     "return batch[\"reward\"] + gamma * best_next",
     "terminal states still have a next value", ["td_targets(target_net)"]),
    ('dq[rows, batch["action"]] = g', "dq[rows, q_all.argmax(axis=1)] = g",
     "the gradient goes to the best action instead of the one taken"),
    ('dq[rows, batch["action"]] = g', "dq += g[:, None]",
     "the gradient goes to all actions"),
    ("np.clip(td_error, -1, 1) / batch_size", "np.clip(td_error, -1, 1)",
     "the mean over the batch is left out"),
    ('batch["state"].T @ dq + l2 * W', 'batch["state"].T @ dq + 0.5 * l2 * W',
     "the regulariser's half is kept in its derivative"),
]
