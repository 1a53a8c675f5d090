"""The playground: a training to watch and to change, in a browser and in a notebook.

The package is not called `play`, because that is the name of its function: importing a module
`tinygrad_mlp.play` would put the module in the place of ``tg.play``.
"""

from tinygrad_mlp.playground.data import PlayData, examples
from tinygrad_mlp.playground.playground import Playground, play

__all__ = ["PlayData", "Playground", "examples", "play"]
