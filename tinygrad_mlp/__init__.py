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

from tinygrad_mlp.support.signals import end_quietly_while_loading

end_quietly_while_loading()

from tinygrad_mlp import autograd
from tinygrad_mlp import errors as errors
from tinygrad_mlp.autograd import *
from tinygrad_mlp.autograd.ops import *
from tinygrad_mlp.support.version import __version__ as __version__

LOADED_WHEN_USED = {
    "Checkpoint": "training.checkpoint:Checkpoint",
    "History": "training.history:History",
    "NeuralNetwork": "neural_network:NeuralNetwork",
    "callbacks": "training.callbacks",
    "checkpoint": "saving.model",
    "compat": "compat",
    "compile": "program.compiled:compile",
    "data": "data",
    "draw": "drawing.picture:draw",
    "drawing": "drawing",
    "estimators": "estimators",
    "evaluate": "training.evaluation:evaluate",
    "explain": "explanation.derivation:explain",
    "explanation": "explanation",
    "export_onnx": "saving.onnx.export:export_onnx",
    "fit": "training.fit:fit",
    "from_torch_state": "saving.pytorch:from_torch_state",
    "load": "saving.model:load",
    "nn": "nn",
    "optim": "optim",
    "parallel": "parallel",
    "play": "playground.playground:play",
    "plotting": "plotting",
    "predict": "training.evaluation:predict",
    "report": "reporting.page:report",
    "save": "saving.model:save",
    "steps": "stepping.steps:steps",
    "stats": "stats",
    "verify": "verify"}
"""Where each name that is loaded when first used lives: a module, or ``module:name``. The stub
for type checkers, ``__init__.pyi``, is written from it by ``python -m tests.stub``."""


def __getattr__(name: str) -> object:
    place = LOADED_WHEN_USED.get(name)
    if place is None:
        from tinygrad_mlp.support.familiar_names import advice

        more = "Operations are listed in tg.OPS, layers in tg.nn."
        raise AttributeError(
            f"tinygrad_mlp has no '{name}'. {advice('tg', name, __dir__(), more)}")
    from importlib import import_module

    module, _, attribute = place.partition(":")
    found = import_module(f"tinygrad_mlp.{module}")
    value = getattr(found, attribute) if attribute else found
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    public = {*autograd.__all__, *autograd.ops.__all__, *LOADED_WHEN_USED, "errors", "__version__"}
    return sorted(public - {*autograd.ops.BUILDING_BLOCKS, "BUILDING_BLOCKS"})
