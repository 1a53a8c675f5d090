"""Highway recurrent cell, five steps, layer norm in the candidate; rows are sequences."""

import numpy as np

generator = np.random.default_rng(202)
BATCH, FEATURES, UNITS, STEPS, EPSILON = 3, 2, 4, 5, 1e-3
inputs = generator.normal(size=(STEPS, BATCH, FEATURES))
initial_state = generator.normal(size=(BATCH, UNITS))
targets = generator.normal(size=BATCH)


def point(rng):
    return {"W_cand": rng.normal(size=(FEATURES, UNITS)), "U_cand": rng.normal(size=(UNITS, UNITS)),
            "gain": 1 + 0.3 * rng.normal(size=UNITS), "shift": rng.normal(size=UNITS),
            "W_gate": rng.normal(size=(FEATURES, UNITS)), "U_gate": rng.normal(size=(UNITS, UNITS)),
            "b_gate": rng.normal(size=UNITS), "readout": rng.normal(size=UNITS)}


def loss(W_cand, U_cand, gain, shift, W_gate, U_gate, b_gate, readout):
    h = initial_state
    for x in inputs:
        a = x @ W_cand + h @ U_cand
        n = (a - a.mean(axis=1, keepdims=True)) / np.sqrt(a.var(axis=1, keepdims=True) + EPSILON)
        c = np.tanh(n * gain + shift)
        g = 1 / (1 + np.exp(-(x @ W_gate + h @ U_gate + b_gate)))
        h = g * c + (1 - g) * h
    return 0.5 * np.mean((h @ readout - targets) ** 2)


def derived(W_cand, U_cand, gain, shift, W_gate, U_gate, b_gate, readout):
    states = [initial_state]
    memories = []
    for step in range(STEPS):
        memory = {}
        preactivation = inputs[step] @ W_cand + states[step] @ U_cand
        memory["centred"] = preactivation - preactivation.mean(axis=1, keepdims=True)
        memory["inverse_std"] = 1 / np.sqrt(np.mean(memory["centred"] ** 2, axis=1, keepdims=True) + EPSILON)
        memory["normalised"] = memory["centred"] * memory["inverse_std"]
        memory["candidate"] = np.tanh(memory["normalised"] * gain + shift)
        gate_logit = inputs[step] @ W_gate + states[step] @ U_gate + b_gate
        memory["gate"] = 1 / (1 + np.exp(-gate_logit))
        states.append(memory["gate"] * memory["candidate"] + (1 - memory["gate"]) * states[step])
        memories.append(memory)

    grads = {"W_cand": np.zeros_like(W_cand), "U_cand": np.zeros_like(U_cand), "gain": np.zeros_like(gain),
             "shift": np.zeros_like(shift), "W_gate": np.zeros_like(W_gate), "U_gate": np.zeros_like(U_gate),
             "b_gate": np.zeros_like(b_gate)}
    grad_prediction = (states[-1] @ readout - targets) / BATCH
    grads["readout"] = states[-1].T @ grad_prediction
    grad_state = np.outer(grad_prediction, readout)

    for step in reversed(range(STEPS)):
        memory = memories[step]
        grad_gate = grad_state * (memory["candidate"] - states[step])
        grad_candidate = grad_state * memory["gate"]
        grad_previous = grad_state * (1 - memory["gate"])

        grad_affine = grad_candidate * (1 - memory["candidate"] ** 2)
        grads["gain"] += np.sum(grad_affine * memory["normalised"], axis=0)
        grads["shift"] += np.sum(grad_affine, axis=0)
        grad_normalised = grad_affine * gain
        grad_inverse_std = np.sum(grad_normalised * memory["centred"], axis=1, keepdims=True)
        grad_variance = -0.5 * memory["inverse_std"] ** 3 * grad_inverse_std
        grad_centred = grad_normalised * memory["inverse_std"] + grad_variance * 2 * memory["centred"] / UNITS
        grad_preactivation = grad_centred - grad_centred.mean(axis=1, keepdims=True)
        grads["W_cand"] += inputs[step].T @ grad_preactivation
        grads["U_cand"] += states[step].T @ grad_preactivation
        grad_previous += grad_preactivation @ U_cand.T

        grad_gate_logit = grad_gate * memory["gate"] * (1 - memory["gate"])
        grads["W_gate"] += inputs[step].T @ grad_gate_logit
        grads["U_gate"] += states[step].T @ grad_gate_logit
        grads["b_gate"] += np.sum(grad_gate_logit, axis=0)
        grad_previous += grad_gate_logit @ U_gate.T
        grad_state = grad_previous
    return grads


MISTAKES = [
    ('grad_gate = grad_state * (memory["candidate"] - states[step])', 'grad_gate = grad_state * memory["candidate"]', "the gate's effect on the carried state is forgotten"),
    ('(1 - memory["candidate"] ** 2)', '(1 - np.tanh(memory["normalised"]) ** 2)', "tanh's derivative before the gain and the shift"),
    ("grad_preactivation = grad_centred - grad_centred.mean(axis=1, keepdims=True)", "grad_preactivation = grad_centred - grad_centred.mean(axis=0, keepdims=True)", "the mean over the batch, as in batch norm"),
    ('grads["U_cand"] += states[step].T', 'grads["U_cand"] += states[step + 1].T', "the state after the step instead of the one before"),
    ("grad_previous += grad_gate_logit @ U_gate.T", "grad_previous = grad_gate_logit @ U_gate.T", "overwrites the other two paths to the earlier state"),
    ('grad_variance = -0.5 * memory["inverse_std"] ** 3 * grad_inverse_std', 'grad_variance = -0.5 * memory["inverse_std"] * grad_inverse_std', "the derivative of the root is wrong: power 1 instead of 3"),
]
