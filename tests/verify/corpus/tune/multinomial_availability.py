"""Multinomial logit of travel modes: availability, constants for all but the first mode, a cost that enters as -exp(lc) cost^2."""

import numpy as np

rng = np.random.default_rng(1111)
N, J = 6, 4
time = rng.uniform(0.5, 2, size=(N, J))
comfort = rng.normal(size=(N, J))
cost = rng.uniform(0.3, 1.5, size=(N, J))
avail = np.array([[1, 1, 1, 1], [1, 0, 1, 1], [1, 1, 0, 1], [0, 1, 1, 1], [1, 1, 1, 0], [1, 1, 1, 1.0]])
chosen = np.array([2, 0, 1, 3, 2, 0])
weight = rng.uniform(0.5, 2, size=N)


def point(rng):
    return {"asc": rng.normal(size=J - 1), "bt": rng.normal(size=1), "bc": rng.normal(size=1), "lc": 0.3 * rng.normal(size=1)}


def loss(asc, bt, bc, lc):
    V = np.concatenate([np.zeros(1), asc]) + bt * time + bc * comfort - np.exp(lc) * cost ** 2
    expV = avail * np.exp(V)
    P = expV[np.arange(N), chosen] / np.sum(expV, axis=1)
    return -np.sum(weight * np.log(P)) / np.sum(weight)


def derived(asc, bt, bc, lc):
    price = np.exp(lc[0])
    d_asc, d_bt, d_bc, d_lc = np.zeros(J - 1), 0.0, 0.0, 0.0
    W = weight.sum()
    for i in range(N):
        util = np.r_[0, asc] + bt[0] * time[i] + bc[0] * comfort[i] - price * cost[i] ** 2
        share = avail[i] * np.exp(util)
        share /= share.sum()
        k = chosen[i]
        wi = weight[i] / W
        # chosen minus expected, for each attribute
        d_bt -= wi * (time[i, k] - share @ time[i])
        d_bc -= wi * (comfort[i, k] - share @ comfort[i])
        d_lc += wi * price * (cost[i, k] ** 2 - share @ cost[i] ** 2)
        d_asc += wi * share[1:]
        if k > 0:
            d_asc[k - 1] -= wi
    return {"asc": d_asc, "bt": np.array([d_bt]), "bc": np.array([d_bc]), "lc": np.array([d_lc])}


MISTAKES = [
    ("share = avail[i] * np.exp(util)", "share = np.exp(util)", "the availability is forgotten in the shares"),
    ("d_lc += wi * price * (cost[i, k] ** 2 - share @ cost[i] ** 2)", "d_lc += wi * (cost[i, k] ** 2 - share @ cost[i] ** 2)", "the slope of exp(lc) is left out"),
    ("d_lc += wi * price * (cost[i, k] ** 2 - share @ cost[i] ** 2)", "d_lc += wi * price * (cost[i, k] ** 2 - (share @ cost[i]) ** 2)", "the square of the mean for the mean of the square"),
    ("d_asc[k - 1] -= wi", "d_asc[k - 1] -= 1", "the person's weight is lost"),
    ("d_bc -= wi * (comfort[i, k] - share @ comfort[i])", "d_bc -= wi * (comfort[i, k] - share @ time[i])", "time for comfort, copied from the line above"),
    ("d_bt -= wi * (time[i, k] - share @ time[i])", "d_bt -= wi * (time[i, k] - np.mean(time[i]))", "a plain mean for the mean under the shares"),
]
