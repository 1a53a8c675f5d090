"""Steps: one forward and one backward pass, step by step.

The package is not called `steps`, because that is the name of its function: importing a module
`tinygrad_mlp.steps` would put the module in the place of ``tg.steps``.
"""

from tinygrad_mlp.stepping.step import Departure, Step, Use
from tinygrad_mlp.stepping.steps import Steps, steps

__all__ = ["Departure", "Step", "Steps", "Use", "steps"]
