"""Record PyTorch's numbers for the table optimizers × hyper-parameters; the tests only read them.

Run ``python tests/optim/record_torch.py`` where PyTorch is installed, to write
``tests/data/torch_optimizers.npz`` again. It holds

- ``version``: of the PyTorch that computed the numbers;
- ``start.0``, ``start.1``: two parameters; ``gradients.0``, ``gradients.1``: theirs, one a step;
- ``present``: whether a parameter has a gradient in a step; ``lr``: the learning rate of each;
- ``cases``: name of the optimizer and hyper-parameters of each case, as JSON;
- ``<case>.0``, ``<case>.1``: the parameters after each step.
"""

from __future__ import annotations

import itertools
import json
import os
from pathlib import Path

import numpy as np

FILE = Path(__file__).parent.parent / "data" / "torch_optimizers.npz"
STEPS = 8

ADAM = {"beta1": (0.9, 0.5), "beta2": (0.999, 0.8), "eps": (1e-8, 0.1), "weight_decay": (0.0, 0.1)}
TABLE = {
    "SGD": {"momentum": (0.0, 0.9), "nesterov": (False, True), "weight_decay": (0.0, 0.1)},
    "Adam": ADAM,
    "AdamW": ADAM,
    "RMSprop": {
        "alpha": (0.99, 0.5),
        "eps": (1e-8, 0.1),
        "momentum": (0.0, 0.9),
        "centered": (False, True),
        "weight_decay": (0.0, 0.1),
    },
}


def cases():
    for name, choices in TABLE.items():
        for values in itertools.product(*choices.values()):
            settings = dict(zip(choices, values, strict=True))
            if settings.get("nesterov") and not settings["momentum"]:
                continue  # means nothing, and both refuse it
            yield name, settings


def in_torch(torch, name, settings, inputs):
    settings = dict(settings)
    if "beta1" in settings:
        settings["betas"] = settings.pop("beta1"), settings.pop("beta2")
    parameters = [torch.tensor(inputs[f"start.{i}"], requires_grad=True) for i in range(2)]
    optimizer = getattr(torch.optim, name)(parameters, lr=1.0, foreach=False, **settings)
    after = [[], []]
    for step, lr in enumerate(inputs["lr"]):
        optimizer.param_groups[0]["lr"] = float(lr)
        for i, parameter in enumerate(parameters):
            gradient = torch.tensor(inputs[f"gradients.{i}"][step])
            parameter.grad = gradient if inputs["present"][step, i] else None
        optimizer.step()
        for i, parameter in enumerate(parameters):
            after[i].append(parameter.detach().numpy().copy())
    return [np.array(values) for values in after]


def main():
    import torch

    rng = np.random.default_rng(20)
    present = np.ones((STEPS, 2), dtype=bool)
    present[2:4, 1] = False  # one parameter rests for two steps
    recorded = {
        "version": torch.__version__,
        "start.0": rng.normal(size=(3, 2)),
        "start.1": rng.normal(size=4),
        "gradients.0": rng.normal(size=(STEPS, 3, 2)),
        "gradients.1": rng.normal(size=(STEPS, 4)) * [1e-3, 1.0, 100.0, 0.0],
        "present": present,
        "lr": np.array([0.1, 0.1, 0.05, 0.2, 0.0, 0.01, 0.3, 0.1]),
        "cases": json.dumps(list(cases())),
    }
    for case, (name, settings) in enumerate(cases()):
        for i, values in enumerate(in_torch(torch, name, settings, recorded)):
            recorded[f"{case}.{i}"] = values
    unfinished = FILE.with_suffix(".part.npz")
    np.savez_compressed(unfinished, **recorded)
    os.replace(unfinished, FILE)


if __name__ == "__main__":
    main()
