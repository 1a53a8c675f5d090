"""What is trained in a playground, and the commands that change it or ask about it."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import numpy as np

from tinygrad_mlp import nn
from tinygrad_mlp.errors import InvalidArgumentError
from tinygrad_mlp.playground import commands, exports
from tinygrad_mlp.playground.data import PlayData, examples
from tinygrad_mlp.playground.drawing_pad import as_image
from tinygrad_mlp.playground.frames import MOST_NEURONS, Parts, answered, encoded, frame, limits
from tinygrad_mlp.playground.settings import (
    ACTIVATIONS,
    INITIALISERS,
    LOSSES,
    OPTIMIZERS,
    PRESETS,
    WRONG_RULES,
    PlaySettings,
)
from tinygrad_mlp.playground.trainer import Trainer, activation_op, built
from tinygrad_mlp.stepping.page import fragment
from tinygrad_mlp.stepping.steps import steps
from tinygrad_mlp.verify import check_op

MOST_POINTS = 400
"""Points that a page draws."""

REBUILDS = ("hidden", "activation", "init", "seed", "noise")
"""PlaySettings with which the training begins anew."""


class PlayExperiment:
    """The model, the data and the settings of a playground.

    `model` and `loss` are the person's own, or None for a network of the settings. Everything is
    called by one thread.

    Attributes:
        trainers: the training; with a rival, a second one from the same weights.
        news: messages to all pages that a command has made; the session sends them.
    """

    def __init__(self, model: nn.Module | None, data: object,
                 loss: Callable[..., object] | None, settings: PlaySettings) -> None:
        self.own_model, self.own_loss = deepcopy(model), loss
        self.source, self.settings = data, settings
        self.rule = ""
        self.rival: str | None = None
        self.sample = 0
        self.picked: commands.PickCommand | None = None
        self.news: list[bytes] = []
        self.data = self._examples()
        if settings.loss not in self._losses():
            self.settings = settings.changed("loss", self._losses()[0])
        self.trainers: list[Trainer] = []
        self._build()

    def step(self, unit: str) -> bool:
        """Let each training take its steps; return whether all have."""
        return all([trainer.step(unit) for trainer in self.trainers])

    def frame(self, running: bool, held: bool = False) -> bytes:
        """Return a frame of the present state."""
        return frame(self.trainers, self.settings.loss, self.sample, running, held)

    def do(self, command: object) -> bytes | None:
        """Do what a command asks for; return the answer to who gave it."""
        name = type(command).__name__.removesuffix("Command").lower()
        answer: bytes | None = getattr(self, f"_{name}")(command)
        return answer

    def _set(self, found: commands.SetCommand) -> None:
        if found.name in REBUILDS and self.own_model is not None and found.name != "seed":
            raise InvalidArgumentError(
                f"set: {found.name} belongs to the networks of the playground. Your model has its "
                f"own.")
        if found.name == "loss":
            self._check_loss(found.value)
        before, self.settings = self.settings, self.settings.changed(found.name, found.value)
        if found.name == "activation":
            self.rule = ""
        if found.name in ("noise", "seed"):
            self.data = self._examples()
        if found.name in REBUILDS:
            self._build()
        elif self.settings != before:
            for trainer in self.trainers:
                trainer.set(self.settings)
            self.trainers[0].runner.loss = self._loss()
        self.news.append(self.hello())

    def _reset(self, found: commands.ResetCommand) -> None:
        self._set(commands.SetCommand("seed", found.seed))

    def _preset(self, found: commands.PresetCommand) -> None:
        if found.name not in PRESETS:
            raise InvalidArgumentError(f"preset: name must be one of {', '.join(PRESETS)}.")
        chosen = dict(PRESETS[found.name])
        self.own_model = self.own_loss = None
        self.source, self.rival = chosen.pop("data"), chosen.pop("rival", None)
        self.rule, self.sample = "", 0
        self.settings = PlaySettings(**chosen)
        self.data = self._examples()
        self._build()
        self.news.append(self.hello())

    def _sample(self, found: commands.SampleCommand) -> bytes:
        if found.number >= len(self.data.X_test):
            raise InvalidArgumentError(
                f"sample: number must be below {len(self.data.X_test)}. Got {found.number}.")
        self.sample = found.number
        return self._told_steps()

    def _pick(self, found: commands.PickCommand) -> bytes:
        layers = self.trainers[0].layers()
        shapes = [layer.weight.data.shape for layer in layers]
        if found.layer > len(shapes) or not all(
                i < n for i, n in zip((found.neuron, found.source or 0), shapes[found.layer - 1],
                                      strict=True)):
            raise InvalidArgumentError(
                f"pick: there must be such a weight. The weights are of shape "
                f"{', '.join(map(str, shapes)) or 'no layers'}. Got layer {found.layer}, neuron "
                f"{found.neuron}, source {found.source}.")
        self.picked = found
        return self._told_steps()

    def _told_steps(self) -> bytes:
        return encoded({"type": "steps", "sample": self.sample, "html": self.steps()})

    def steps(self) -> str:
        """Return the steps of one pass for the chosen sample, as an element of a page."""
        trainer, one = self.trainers[0], slice(self.sample, self.sample + 1)
        model = trainer.copied_model()
        loss = trainer.runner.loss(model(self.data.X_test[one]), self.data.Y_test[one])
        return fragment(steps(loss, follow=self._followed(model)).content)

    def _followed(self, model: nn.Module) -> Any:
        """Return the weight that has been picked, in a copy of the model, and its entry."""
        if self.picked is None:
            return None
        layer, neuron, source = self.picked.layer - 1, self.picked.neuron, self.picked.source
        weight = [m for _, m in model.named_modules() if isinstance(m, nn.Linear)][layer].weight
        if source is None:
            one = self.data.X_test[self.sample : self.sample + 1]
            inputs = self.trainers[0].columns(one)[layer][0]
            source = int(np.argmax(np.abs(weight.data[neuron] * inputs)))
        return weight, (neuron, source)

    def _classify(self, found: commands.ClassifyCommand) -> bytes:
        if not self.data.side:
            raise InvalidArgumentError("classify: the data are no images. Choose digits or mnist.")
        pixels = np.array(found.pixels).reshape(commands.PIXELS, commands.PIXELS)
        highest = float(np.max(self.data.mean + 3 * np.asarray(self.data.scale)))
        image = as_image(pixels, self.data.side)
        parts = Parts()
        parts.add("seen", image)
        x = (image.reshape(1, -1) * (255 if highest > 32 else 16) - self.data.mean)
        parts.add("answer", answered(self.trainers[0], self.settings.loss, x / self.data.scale)[0])
        return encoded({"type": "class", "parts": parts.listed}, parts.payload)

    def _plant(self, found: commands.PlantCommand) -> None:
        rules = WRONG_RULES[self.settings.activation]
        if found.rule not in ("", *rules):
            raise InvalidArgumentError(f"plant: rule must be one of {', '.join(rules)}, or empty.")
        if self.own_model is not None:
            raise InvalidArgumentError("plant: rules are planted in networks of the playground.")
        self.rule = found.rule
        self._build()
        self.news.append(self.hello())
        self.news.append(self._check(commands.CheckCommand()))

    def _check(self, found: commands.CheckCommand) -> bytes:
        report = check_op(activation_op(self.settings, self.rule))
        return encoded({"type": "check", "ok": report.ok, "text": str(report),
                        "operation": self.settings.activation})

    def _export(self, found: commands.ExportCommand) -> bytes:
        trainer = self.trainers[0]
        if found.what == "program":
            if self.own_model is not None or self.rule:
                raise InvalidArgumentError(
                    "export: a program is written for networks of the playground, without a wrong "
                    "rule.")
            made = exports.program(self.settings, self.source, self.data.X.shape[1],
                                   self.data.Y.shape[1], int(trainer.epochs)).encode()
            return encoded({"type": "file", "name": "train.py"}, made)
        if found.what == "weights":
            return encoded({"type": "file", "name": "weights.safetensors"},
                           exports.weights(trainer))
        return encoded({"type": "file", "name": "report.html"}, exports.written_report(trainer))

    # -- the state -------------------------------------------------------------------------------

    def _examples(self) -> PlayData:
        return examples(self.source, noise=self.settings.noise, seed=self.settings.seed)

    def _losses(self) -> list[str]:
        """Return the losses that fit the data and the model."""
        if self.own_loss is not None:
            return ["own"]
        if not self.data.classes:
            return ["regression"]
        return [name for name in LOSSES if name != "regression"]

    def _check_loss(self, name: object) -> None:
        if name not in self._losses():
            raise InvalidArgumentError(
                f"set: loss must be one of {', '.join(self._losses())} for these data. Got "
                f"{str(name)[:40]!r}.")

    def _loss(self) -> Callable[[Any, Any], Any]:
        return self.own_loss or LOSSES[self.settings.loss]

    def _build(self) -> None:
        """Begin the training anew."""
        losses = [self._loss(), *([] if self.rival is None else [LOSSES[self.rival]])]
        self.trainers = [Trainer(self._model(), loss, self.data, self.settings) for loss in losses]
        self.sample, self.picked = min(self.sample, len(self.data.X_test) - 1), None

    def _model(self) -> nn.Module:
        if self.own_model is not None:
            return deepcopy(self.own_model)
        return built(self.settings, self.data.X.shape[1], self.data.Y.shape[1], self.rule)

    def hello(self) -> bytes:
        """Return what a page must know before the first frame."""
        data, trainer = self.data, self.trainers[0]
        parts = Parts()
        header: dict[str, Any] = {
            "type": "hello", "settings": vars(self.settings), "own": self.own_model is not None,
            "rival": self.rival, "rule": self.rule, "sample": self.sample, "choices": {
                "activation": list(ACTIVATIONS), "loss": self._losses(),
                "optimizer": list(OPTIMIZERS), "init": list(INITIALISERS),
                "rule": list(WRONG_RULES[self.settings.activation]), "preset": list(PRESETS)},
            "data": {"name": data.name, "classes": data.classes, "features": data.features[:2],
                     "inputs": data.X.shape[1], "side": data.side, "train": len(data.X),
                     "test": len(data.X_test)},
            "layers": [[layer.in_features, layer.out_features] for layer in trainer.layers()],
            "weights": list(trainer.weights()), "most": MOST_NEURONS}
        if data.side:
            parts.add("images", data.images[:MOST_POINTS // 4])
        else:
            header["limits"] = limits(data)
            for name, X, Y in (("train", data.X, data.Y), ("test", data.X_test, data.Y_test)):
                rows = np.zeros((min(len(X), MOST_POINTS), 3))
                rows[:, : min(2, X.shape[1])] = X[: len(rows), :2]
                target = Y.argmax(axis=1) if data.classes else Y[:, 0]
                rows[:, 2] = target[: len(rows)]
                header[name] = rows.round(4).tolist()
        return encoded({**header, "parts": parts.listed}, parts.payload)
