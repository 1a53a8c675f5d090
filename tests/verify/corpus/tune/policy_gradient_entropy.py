"""REINFORCE with an entropy bonus, for a policy with one hidden layer."""

import numpy as np

rng = np.random.default_rng(47)
states = rng.normal(size=(6, 5))
actions = np.array([1, 0, 2, 2, 1, 0])
rewards = [1.0, 0.0, -0.5, 2.0, 0.3, 1.0]
gamma = 0.9
beta = 0.2


def discount(rewards):
    returns, running = [], 0.0
    for r in reversed(rewards):
        running = r + gamma * running
        returns.insert(0, running)
    return np.array(returns)


returns = discount(rewards)
advantages = returns - returns.mean()


def point(rng):
    return {"W1": rng.normal(size=(5, 4)), "W2": rng.normal(size=(4, 3))}


def log_softmax(z):
    z = z - z.max(axis=1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=1, keepdims=True))


def policy(W1, W2):
    h = np.maximum(0, states @ W1)
    return log_softmax(h @ W2), h


def loss(W1, W2):
    logp, _ = policy(W1, W2)
    chosen = logp[np.arange(len(actions)), actions]
    entropy = -np.sum(np.exp(logp) * logp, axis=1)
    return -np.mean(chosen * advantages) - beta * np.mean(entropy)


def derived(W1, W2):
    logp, h = policy(W1, W2)
    probs = np.exp(logp)
    T = len(actions)

    # policy term: (probs - onehot) * advantage
    dlogits = probs.copy()
    dlogits[np.arange(T), actions] -= 1.0
    dlogits *= advantages[:, None]

    # entropy bonus
    H = -np.sum(probs * logp, axis=1, keepdims=True)
    dlogits += beta * probs * (logp + H)
    dlogits /= T

    dW2 = h.T @ dlogits
    dh = dlogits @ W2.T
    dh[h <= 0] = 0
    dW1 = states.T @ dh
    return {"W1": dW1, "W2": dW2}


MISTAKES = [
    ("dlogits += beta * probs * (logp + H)", "dlogits -= beta * probs * (logp + H)",
     "the bonus is subtracted from the loss: its sign is turned round"),
    ("dlogits += beta * probs * (logp + H)", "dlogits += beta * (logp + 1)",
     "the entropy's derivative in the probabilities, not in the logits"),
    ("dlogits += beta * probs * (logp + H)", "dlogits = beta * probs * (logp + H)",
     "the entropy's gradient overwrites the policy's"),
    ("H = -np.sum(probs * logp, axis=1, keepdims=True)", "H = -np.sum(probs * logp)",
     "the entropy of the whole batch instead of each state's",
     ["dlogits += beta * probs * (logp + H)"]),
    ("dlogits *= advantages[:, None]", "dlogits *= returns[:, None]",
     "the baseline is forgotten"),
    ("    dlogits[np.arange(T), actions] -= 1.0\n", "", "the chosen action's one is left out"),
    ("    dh[h <= 0] = 0\n", "", "ReLU's derivative is left out"),
]
