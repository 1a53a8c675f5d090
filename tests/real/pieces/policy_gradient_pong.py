"""Policy gradient over one episode: discounted returns are stored, gradients point uphill."""

import numpy as np

gamma = 0.9
rng = np.random.default_rng(45)
D, H, T = 4, 5, 7
model = {"W1": rng.normal(size=(H, D)) / np.sqrt(D), "W2": rng.normal(size=H) / np.sqrt(H)}


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def discount_rewards(r):
    discounted_r = np.zeros_like(r)
    running_add = 0
    for t in reversed(range(0, r.size)):
        if r[t] != 0:
            running_add = 0  # a point was scored: a new game begins
        running_add = running_add * gamma + r[t]
        discounted_r[t] = running_add
    return discounted_r


def policy_forward(x, model):
    h = np.dot(model["W1"], x)
    h[h < 0] = 0  # ReLU
    logp = np.dot(model["W2"], h)
    p = sigmoid(logp)
    return p, h  # probability of action 1, and hidden state


def policy_backward(epx, eph, epdlogp, model):
    dW2 = np.dot(eph.T, epdlogp).ravel()
    dh = np.outer(epdlogp, model["W2"])
    dh[eph <= 0] = 0
    dW1 = np.dot(dh.T, epx)
    return {"W1": dW1, "W2": dW2}


epx = rng.normal(size=(T, D))
actions = rng.integers(0, 2, size=T)
rewards = np.array([0.0, 0.0, 1.0, 0.0, 0.0, 0.0, -1.0])
advantage = discount_rewards(rewards)
advantage -= advantage.mean()
advantage /= advantage.std()


def loss(model):
    """Minus the sum of advantage times log-probability of what was done."""
    total = 0.0
    for t in range(T):
        p, _ = policy_forward(epx[t], model)
        total -= advantage[t] * np.log(p if actions[t] == 1 else 1 - p)
    return total


def episode_gradient(model):
    hs, dlogps = [], []
    for t in range(T):
        p, h = policy_forward(epx[t], model)
        hs.append(h)
        dlogps.append(actions[t] - p)  # encourages the action that was taken
    eph = np.vstack(hs)
    epdlogp = np.array(dlogps) * advantage
    return policy_backward(epx, eph, epdlogp, model)


def plain():
    return lambda: loss(model), model, episode_gradient(model)


TABLE = {
    "style": "two functions",
    "glue": "tg.verify.check_derivation(loss, episode_gradient, point=model)",
    "verdict": "convention",
    "convention": "scale",
    "size": -1,
    "wrong": ["W1", "W2"],
    "stores": "h[h < 0] = 0",
    "says": "right up to the sign: the gradient of what is maximised, to be added",
    "change": ("dlogps.append(actions[t] - p)", "dlogps.append(p - actions[t])"),
    "also": ["epdlogp = np.array(dlogps) * advantage", "total -= advantage[t]"],
}
