"""tinygrad_mlp: a small NumPy framework in which every gradient is exact, visible and checked.

>>> import tinygrad_mlp as tg
>>> x = tg.Tensor([0.5, -1.0], requires_grad=True, name="x")
>>> loss = tg.sum(tg.tanh(x) ** 2)
>>> loss.backward()
>>> x.grad.round(4)
array([ 0.7269, -0.6397])

Tensors, operations and functional transforms are here at once. The floors above them are loaded
when first used, so that importing the package costs little more than importing NumPy.
"""

from typing import TYPE_CHECKING, Any

from tinygrad_mlp import errors as errors
from tinygrad_mlp.autograd import *
from tinygrad_mlp.autograd.ops import *

if TYPE_CHECKING:
    from tinygrad_mlp import data as data
    from tinygrad_mlp import drawing as drawing
    from tinygrad_mlp import estimators as estimators
    from tinygrad_mlp import explanation as explanation
    from tinygrad_mlp import nn as nn
    from tinygrad_mlp import optim as optim
    from tinygrad_mlp import plotting as plotting
    from tinygrad_mlp import verify as verify
    from tinygrad_mlp.drawing import draw as draw
    from tinygrad_mlp.explanation import explain as explain
    from tinygrad_mlp.neural_network import NeuralNetwork as NeuralNetwork
    from tinygrad_mlp.program import compile as compile
    from tinygrad_mlp.reporting import report as report
    from tinygrad_mlp.saving import model as checkpoint  # noqa: F401
    from tinygrad_mlp.saving.model import load as load
    from tinygrad_mlp.saving.model import save as save
    from tinygrad_mlp.saving.onnx import export_onnx as export_onnx
    from tinygrad_mlp.saving.pytorch import from_torch_state as from_torch_state
    from tinygrad_mlp.training import callbacks as callbacks
    from tinygrad_mlp.training.checkpoint import Checkpoint as Checkpoint
    from tinygrad_mlp.training.evaluation import evaluate as evaluate
    from tinygrad_mlp.training.evaluation import predict as predict
    from tinygrad_mlp.training.fit import fit as fit
    from tinygrad_mlp.training.history import History as History

__version__ = "0.1.0"

LOADED_WHEN_USED = {
    "callbacks": "callbacks",
    "checkpoint": "checkpoint",
    "data": "data",
    "drawing": "drawing",
    "estimators": "estimators",
    "explanation": "explanation",
    "nn": "nn",
    "optim": "optim",
    "plotting": "plotting",
    "verify": "verify",
    "Checkpoint": "resuming.Checkpoint",
    "load": "checkpoint.load",
    "save": "checkpoint.save",
    "History": "history.History",
    "NeuralNetwork": "neural_network.NeuralNetwork",
    "evaluate": "evaluation.evaluate",
    "compile": "program.compile",
    "draw": "drawing.draw",
    "explain": "explanation.explain",
    "export_onnx": "exporting.export_onnx",
    "fit": "training.fit",
    "from_torch_state": "pytorch.from_torch_state",
    "predict": "evaluation.predict",
    "report": "reporting.report",
}
"""Where each name that is loaded when first used lives: a module, or a name in one."""


def __getattr__(name: str) -> Any:
    place = LOADED_WHEN_USED.get(name)
    if place is None:
        raise AttributeError(
            f"tinygrad_mlp has no '{name}'. Operations are listed in tg.OPS, layers in tg.nn."
        )
    from importlib import import_module

    module, _, attribute = place.partition(".")
    found = import_module(f"tinygrad_mlp.{module}")
    value = getattr(found, attribute) if attribute else found
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *LOADED_WHEN_USED})
