"""Optimizers: how gradients change parameters.

`rules` holds the equations as pure functions, `optimizer_base` and `optimizers` the objects that
apply them to a model's parameters, `schedule` the learning rates that change during training.
"""

from typing import TYPE_CHECKING

from tinygrad_mlp.optim import schedule
from tinygrad_mlp.optim.clipping import clip_by_norm
from tinygrad_mlp.optim.optimizer_base import Optimizer
from tinygrad_mlp.optim.optimizers import SGD, Adam, AdamW, RMSprop
from tinygrad_mlp.optim.schedule import Schedule

__all__ = ["SGD", "Adam", "AdamW", "Optimizer", "RMSprop", "Schedule", "clip_by_norm", "schedule"]

if not TYPE_CHECKING:  # to a type checker an unknown name is an error

    def __getattr__(name: str) -> object:
        from tinygrad_mlp.support.familiar_names import unknown_name

        raise unknown_name("tg.optim", name, __all__)
