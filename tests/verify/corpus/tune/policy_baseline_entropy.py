"""Policy gradient surrogate with a baseline network and an entropy bonus, all of it one differentiable loss.

Nothing is detached: the advantage depends on the baseline's weights in both of its terms.
"""

import numpy as np

rng = np.random.default_rng(410)
steps, obs, hp, hb, acts = 8, 3, 4, 5, 3
S = rng.normal(size=(steps, obs))
taken = rng.integers(acts, size=steps)
ret = rng.normal(size=steps) + 0.5
CV, CE = 0.4, 0.3


def point(rng):
    return {"P1": rng.normal(size=(obs, hp)), "P2": rng.normal(size=(hp, acts)), "B1": rng.normal(size=(obs, hb)),
            "b2": rng.normal(size=hb)}


def loss(P1, P2, B1, b2):
    scores = np.tanh(S @ P1) @ P2
    logprob = scores - np.log(np.sum(np.exp(scores), axis=1, keepdims=True))
    advantage = ret - np.tanh(S @ B1) @ b2
    surrogate = -np.mean(advantage * logprob[np.arange(steps), taken])
    bonus = -np.mean(np.sum(np.exp(logprob) * logprob, axis=1))
    return surrogate + CV * np.mean(advantage ** 2) - CE * bonus


def policy_forward(params):
    hidden = np.tanh(S @ params["P1"])
    z = hidden @ params["P2"]
    z = z - z.max(axis=1, keepdims=True)
    probs = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    return hidden, probs


def baseline_forward(params):
    hidden = np.tanh(S @ params["B1"])
    return hidden, hidden @ params["b2"]


def derived(P1, P2, B1, b2):
    params = {"P1": P1, "P2": P2, "B1": B1, "b2": b2}
    hidden_p, probs = policy_forward(params)
    hidden_b, value = baseline_forward(params)
    adv = ret - value
    logs = np.log(probs)
    onehot = np.eye(acts)[taken]
    chosen = (logs * onehot).sum(axis=1)
    ent = -(probs * logs).sum(axis=1)
    grads = {}

    # policy head
    dz_pg = adv[:, None] * (probs - onehot) / steps
    dz_ent = CE * probs * (logs + ent[:, None]) / steps
    dz = dz_pg + dz_ent
    grads["P2"] = hidden_p.T @ dz
    dhid_p = dz @ P2.T
    dpre_p = dhid_p * (1 - hidden_p ** 2)
    grads["P1"] = S.T @ dpre_p

    # baseline head
    dadv = (2 * CV * adv - chosen) / steps
    dvalue = -dadv
    grads["b2"] = hidden_b.T @ dvalue
    dhid_b = dvalue[:, None] * b2
    dpre_b = dhid_b * (1 - hidden_b ** 2)
    grads["B1"] = S.T @ dpre_b
    return grads


MISTAKES = [
    ("dz_pg = adv[:, None] * (probs - onehot) / steps", "dz_pg = ret[:, None] * (probs - onehot) / steps",
     "the return for the advantage"),
    ("dz_ent = CE * probs * (logs + ent[:, None]) / steps", "dz_ent = CE * probs * (logs + 1) / steps",
     "the derivative with respect to the probabilities, not through the softmax"),
    ("dhid_p = dz @ P2.T", "dhid_p = dz_pg @ P2.T", "the entropy bonus does not reach the first layer of the policy"),
    ("dadv = (2 * CV * adv - chosen) / steps", "dadv = 2 * CV * adv / steps",
     "the gradient is stopped at the advantage in the policy term"),
    ("dvalue = -dadv", "dvalue = dadv", "the advantage is the return minus the value: the sign"),
    ("dpre_b = dhid_b * (1 - hidden_b ** 2)", "dpre_b = dhid_b * hidden_b * (1 - hidden_b)",
     "the derivative of the sigmoid for that of tanh"),
]
