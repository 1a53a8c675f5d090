"""Minimal gated unit over five steps, batch in rows, squared error at every step."""

import numpy as np

generator = np.random.default_rng(505)
steps, batch, n_in, n_hid, n_out = 5, 4, 3, 4, 2
inputs = generator.normal(size=(batch, steps, n_in))
targets = generator.normal(size=(batch, steps, n_out))


def point(rng):
    return {
        "Wf": rng.normal(size=(n_in, n_hid)), "Uf": rng.normal(size=(n_hid, n_hid)), "bf": rng.normal(size=n_hid),
        "Wh": rng.normal(size=(n_in, n_hid)), "Uh": rng.normal(size=(n_hid, n_hid)), "bh": rng.normal(size=n_hid),
        "V": rng.normal(size=(n_hid, n_out)), "c": rng.normal(size=n_out),
    }


def loss(Wf, Uf, bf, Wh, Uh, bh, V, c):
    state = np.zeros((batch, n_hid))
    total = 0.0
    for t in range(steps):
        x_t = inputs[:, t, :]
        gate = 1.0 / (1.0 + np.exp(-(x_t @ Wf + state @ Uf + bf)))
        proposal = np.tanh(x_t @ Wh + (gate * state) @ Uh + bh)
        state = state + gate * (proposal - state)
        total = total + np.sum((state @ V + c - targets[:, t, :]) ** 2)
    return total / (steps * batch)


def derived(Wf, Uf, bf, Wh, Uh, bh, V, c):
    # forward, everything is remembered
    hidden_list = [np.zeros((batch, n_hid))]
    forget_list = []
    candidate_list = []
    residual_list = []
    for t in range(steps):
        hidden_prev = hidden_list[-1]
        forget = 1.0 / (1.0 + np.exp(-(inputs[:, t] @ Wf + hidden_prev @ Uf + bf)))
        candidate = np.tanh(inputs[:, t] @ Wh + (forget * hidden_prev) @ Uh + bh)
        hidden = (1 - forget) * hidden_prev + forget * candidate
        forget_list.append(forget)
        candidate_list.append(candidate)
        hidden_list.append(hidden)
        residual_list.append(hidden @ V + c - targets[:, t])

    grad_Wf, grad_Uf, grad_bf = np.zeros_like(Wf), np.zeros_like(Uf), np.zeros_like(bf)
    grad_Wh, grad_Uh, grad_bh = np.zeros_like(Wh), np.zeros_like(Uh), np.zeros_like(bh)
    grad_V, grad_c = np.zeros_like(V), np.zeros_like(c)

    # backward
    grad_from_future = np.zeros((batch, n_hid))
    for t in range(steps - 1, -1, -1):
        hidden_prev, hidden = hidden_list[t], hidden_list[t + 1]
        forget, candidate = forget_list[t], candidate_list[t]

        grad_pred = 2 * residual_list[t] / (steps * batch)
        grad_V += hidden.T @ grad_pred
        grad_c += grad_pred.sum(axis=0)
        grad_hidden = grad_pred @ V.T + grad_from_future

        grad_candidate = grad_hidden * forget
        grad_forget = grad_hidden * (candidate - hidden_prev)
        grad_hidden_prev = grad_hidden * (1 - forget)

        grad_candidate_pre = grad_candidate * (1 - candidate ** 2)
        grad_Wh += inputs[:, t].T @ grad_candidate_pre
        grad_Uh += (forget * hidden_prev).T @ grad_candidate_pre
        grad_bh += grad_candidate_pre.sum(axis=0)
        grad_gated = grad_candidate_pre @ Uh.T
        grad_forget += grad_gated * hidden_prev
        grad_hidden_prev += grad_gated * forget

        grad_forget_pre = grad_forget * forget * (1 - forget)
        grad_Wf += inputs[:, t].T @ grad_forget_pre
        grad_Uf += hidden_prev.T @ grad_forget_pre
        grad_bf += grad_forget_pre.sum(axis=0)
        grad_hidden_prev += grad_forget_pre @ Uf.T

        grad_from_future = grad_hidden_prev
    return {"Wf": grad_Wf, "Uf": grad_Uf, "bf": grad_bf, "Wh": grad_Wh, "Uh": grad_Uh, "bh": grad_bh,
            "V": grad_V, "c": grad_c}


MISTAKES = [
    ("grad_forget = grad_hidden * (candidate - hidden_prev)", "grad_forget = grad_hidden * candidate", "the gate also weighs the old state, with the opposite sign"),
    ("grad_forget += grad_gated * hidden_prev", "grad_forget = grad_gated * hidden_prev", "= for +=, the gate's role in the update is overwritten"),
    ("grad_Uh += (forget * hidden_prev).T @ grad_candidate_pre", "grad_Uh += hidden_prev.T @ grad_candidate_pre", "Uh sees the gated state, not the state"),
    ("grad_hidden_prev += grad_gated * forget", "grad_hidden_prev += grad_gated", "the gate on the state inside the candidate is forgotten on the way back"),
    ("hidden_prev, hidden = hidden_list[t], hidden_list[t + 1]", "hidden_prev, hidden = hidden_list[t - 1], hidden_list[t]", "the list starts with the initial state, so the index is off by one"),
    ("grad_hidden = grad_pred @ V.T + grad_from_future", "grad_hidden = grad_pred @ V.T", "nothing flows back from the later steps"),
]
