"""The state of a run as plain data: what a checkpoint stores, and what the other ranks receive."""

from __future__ import annotations

import time
from typing import Any

from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.support.signals import is_interruption
from tinygrad_mlp.training.run import Run
from tinygrad_mlp.training.steps import StepRunner


def check_optimizer(optimizer: object, needing: str) -> None:
    """Raise an error for an optimizer whose state cannot be stored; say what is `needing` it."""
    for method in ("state_dict", "load_state_dict"):
        if not hasattr(optimizer, method):
            raise InvalidArgumentError(
                f"fit: {needing} an optimizer with the methods state_dict and load_state_dict, as "
                f"those of tg.optim. Got {type(optimizer).__name__}, which has no {method}.")


def other_parameters(run: Run) -> list[Any]:
    """Return the optimizer's parameters beside those of the model, as of a loss trained as well."""
    known = {id(p) for p in run.model.parameters()}
    return [p for p in getattr(run.optimizer, "parameters", ()) if id(p) not in known]


def stopped_for_good(run: Run) -> str | None:
    """Return why training has ended; None after Ctrl-C, as it may be resumed."""
    return None if is_interruption(run.stopped) else run.stopped


def state_of(run: Run, steps: StepRunner) -> dict[str, object]:
    """Return what the coming steps depend on, but for callbacks and generators."""
    return {
        "run": {"iteration": run.iteration, "epoch": run.epoch, "loss": run.loss,
                "seconds": run.seconds, "stopped": stopped_for_good(run),
                "means": run.means.state_dict()},
        "model": run.model.state_dict(),
        "modes": {path: m.training for path, m in run.model.named_modules()},
        "optimizer": run.optimizer.state_dict(),
        "parameters": [p.data for p in other_parameters(run)],
        "steps": steps.state_dict(),
        "history": run.history.state_dict()}


def take_over(state: dict[str, Any], run: Run, steps: StepRunner) -> None:
    """Go on from a state that `state_of` has returned; the generators must be up to date."""
    run.optimizer.load_state_dict(state["optimizer"])
    run.model.load_state_dict(state["model"])
    for path, module in run.model.named_modules():
        module.training = state["modes"][path]
    for parameter, data in zip(other_parameters(run), state["parameters"], strict=True):
        parameter.data = data
    run.history.load_state_dict(state["history"])
    of_run = state["run"]
    run.iteration, run.epoch, run.loss = of_run["iteration"], of_run["epoch"], of_run["loss"]
    run.started = time.perf_counter() - of_run["seconds"]
    run.stopped = of_run["stopped"] or run.stopped  # by Ctrl-C in the meantime
    run.means.load_state_dict(of_run["means"])
    steps.load_state_dict(state["steps"])
    if of_run["stopped"] is not None:
        steps.finish()
