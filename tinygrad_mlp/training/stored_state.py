"""The checks of a checkpoint's content: everything that a run takes over has the right form.

The checksum of a file tells accidents. These checks tell files that were edited, or written by
another version, before anything of the run has been changed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tinygrad_mlp.training.history import History, Record
from tinygrad_mlp.training.run import Run
from tinygrad_mlp.training.running_means import RunningMeans
from tinygrad_mlp.training.steps import StepRunner

PARTS = ("run", "model", "modes", "optimizer", "parameters", "callbacks", "generators", "steps",
         "history")

Check = tuple[str, Callable[[Any], bool]]


def _whole(lowest: int) -> Check:
    def holds(value: object) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and value >= lowest

    return f"an integer >= {lowest}", holds


def _of(description: str, *kinds: type) -> Check:
    def holds(value: object) -> bool:
        return isinstance(value, kinds) and (bool in kinds or not isinstance(value, bool))

    return description, holds


TEXT_OR_NONE = _of("text or None", str, type(None))
FLAG = _of("True or False", bool)
FIELDS: dict[str, dict[str, Check]] = {
    "run": {"iteration": _whole(-1), "epoch": _whole(0), "loss": _of("a number", int, float),
            "seconds": _of("a number", int, float), "stopped": TEXT_OR_NONE,
            "means": ("sums of the steps", RunningMeans.fits)},
    "steps": {"epochs": _whole(0), "samples": _whole(0),
              "drawn_from": _of("the state of a generator or None", dict, type(None)),
              "last": TEXT_OR_NONE,
              "programs": _of("a list", list), "blocks": FLAG, "eager_reason": TEXT_OR_NONE,
              "ways": _of("text", str), "balance": _of("an integer", int),
              "unchecked": _whole(0), "side_effects": _whole(0)},
    "history": {"records": _of("an array", np.ndarray), "present": _of("an array", np.ndarray),
                "execution": _of("text", str), "stopped": TEXT_OR_NONE}}


def check_form(state: Any, run: Run, steps: StepRunner, generators: list[Any],
               n_callbacks: int) -> None:
    """Raise a ValueError for a state that a run cannot take over; some damage raises others.

    The arrays of the model, its other parameters and the optimizer are checked elsewhere.
    """
    _expect(isinstance(state, dict) and set(state) == set(PARTS), f"the parts {', '.join(PARTS)}")
    for part, fields in FIELDS.items():
        _expect(isinstance(state[part], dict) and set(state[part]) == set(fields),
                f"{part} with the entries {', '.join(fields)}")
        for key, (description, holds) in fields.items():
            _expect(holds(state[part][key]), f"{part}.{key} to be {description}")
    _check_history(state["history"])
    paths = {path for path, _ in run.model.named_modules()}
    _expect(_is_dict_of_flags(state["modes"], paths), "modes of each module of the model")
    for key in ("callbacks", "parameters", "generators"):
        _expect(isinstance(state[key], list), f"{key} to be a list")
    _expect(len(state["callbacks"]) == n_callbacks, f"the states of {n_callbacks} callbacks")
    for generator, stored in zip(generators, state["generators"], strict=True):
        type(generator.bit_generator)().state = stored
    _check_steps(state["steps"], steps)


def _expect(holds: bool, what: str) -> None:
    if not holds:
        raise ValueError(f"expected {what}")


def _is_dict_of_flags(value: object, keys: set[str]) -> bool:
    return (isinstance(value, Mapping) and set(value) == keys
            and all(isinstance(flag, bool) for flag in value.values()))


def _check_history(stored: dict[str, Any]) -> None:
    records, present = stored["records"], stored["present"]
    shape = (len(records), len(Record._fields))
    _expect(records.shape == shape and records.dtype == np.float64, "history.records of float64")
    _expect(present.shape == shape and present.dtype == np.bool_, "history.present of truth values")
    # The first four fields always have a value; two of them count.
    _expect(bool(present[:, :4].all()) and bool(np.isfinite(records[:, :2]).all()),
            "complete records in history.records")
    History().load_state_dict(stored)


def _check_steps(stored: dict[str, Any], steps: StepRunner) -> None:
    order = steps.order
    whole = stored["samples"] % steps.unit == 0 or stored["samples"] == order.n
    _expect(whole and stored["samples"] <= order.n, "steps.samples to be whole batches")
    if stored["drawn_from"] is not None:
        _expect(order.rng is not None, "no state of a generator, since there is none")
        type(order.rng.bit_generator)().state = stored["drawn_from"]
    _expect(stored["eager_reason"] is None or not stored["programs"],
            "no programs where there is a reason for none")
    sizes = {steps.batch_size, order.n % steps.batch_size, order.n} - {0}
    for entry in stored["programs"]:
        size, confirmed = entry
        known = size in sizes or (steps.data.any_size and isinstance(size, int) and size > 0)
        _expect(bool(steps.compiled) and known and isinstance(confirmed, bool),
                "steps.programs to hold sizes of batches and truth values")
