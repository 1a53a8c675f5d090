"""``tinygrad-mlp play``: the playground in the browser."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from tinygrad_mlp.cli import outputs, process
from tinygrad_mlp.cli.check_subjects import namespace_of, registry_restored
from tinygrad_mlp.cli.outputs import SUCCESS
from tinygrad_mlp.cli.running import Outcome
from tinygrad_mlp.errors import DataNotFoundError, InvalidArgumentError
from tinygrad_mlp.nn import Module
from tinygrad_mlp.playground import Playground
from tinygrad_mlp.playground import play as make_playground
from tinygrad_mlp.playground.settings import PRESETS


def play(data: str, *, model: Path | None, port: int | None, browser: bool,
         seconds: float | None) -> Outcome:
    """Serve the playground until Ctrl-C, or for so many seconds."""
    with outputs.announced(f"Reading {model or data} …"):
        playground = _playground(data, model)
    try:
        url = playground.serve(port).url
        with process.interruptible():
            try:
                print(f"The playground is at {url}\nCtrl-C ends it.", flush=True)
                if browser:
                    playground.open()
                threading.Event().wait(seconds)
            except KeyboardInterrupt:
                pass  # this is how it ends
        state = playground.session.experiment
        trainer = state.trainers[0]
        document = {"url": url, "data": state.data.name, "steps": trainer.run.iteration + 1,
                    "epochs": trainer.epochs}
    finally:
        playground.close()
    return Outcome(SUCCESS, document)


def _playground(data: str, model: Path | None) -> Playground:
    if model is None:
        if data not in PRESETS:
            return make_playground(data=data)
        playground = make_playground(data=PRESETS[data]["data"])
        playground.session.begin_with(data)
        return playground
    if not model.is_file():
        raise DataNotFoundError(f"--model: there is no file {model}. Check the path.")
    with registry_restored():
        names: dict[str, Any] = namespace_of(model)
    found = names.get("model")
    if not isinstance(found, Module):
        raise InvalidArgumentError(
            f"{model} has no model. It must define model, a module of tg.nn; and may define loss, "
            f"a function of prediction and target, and data, a pair (X, Y) of arrays.")
    return make_playground(found, names.get("data", data), loss=names.get("loss"))
