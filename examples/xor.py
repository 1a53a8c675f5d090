"""The smallest problem that one layer cannot solve: exclusive or.

    python examples/xor.py [picture.png]

To learn: the loop that every training is, written out. Three hidden neurons solve what one layer,
whose boundary is a straight line, cannot; the picture shows the boundary before, during and after.
"""

import copy
import sys
from functools import partial

import numpy as np

import tinygrad_mlp as tg

X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
Y = np.array([[0.0], [1.0], [1.0], [0.0]])


def main(picture: str = "xor.png") -> None:
    rng = np.random.default_rng(1)
    model = tg.nn.Sequential(
        tg.nn.Linear(2, 3, rng=rng), tg.nn.Tanh(), tg.nn.Linear(3, 1, rng=rng), tg.nn.Sigmoid()
    )
    print(model)
    optimizer = tg.optim.Adam(model.parameters(), lr=0.05)
    answers = {}
    for step in range(401):
        if step in (0, 40, 400):
            answers[f"step {step}"] = partial(tg.predict, copy.deepcopy(model))
        optimizer.zero_grad()
        loss = tg.nn.binary_cross_entropy(model(X), Y)
        loss.backward()
        optimizer.step()
    for x, answer in zip(X.astype(int), tg.predict(model, X)[:, 0], strict=True):
        print(f"{x[0]} xor {x[1]}: {answer:.3f}")
    print(f"cross entropy per sample: {loss.item():.4f} nats")
    tg.plotting.plot_decision_boundary(answers, X, Y, picture)


if __name__ == "__main__":
    main(*sys.argv[1:2])
