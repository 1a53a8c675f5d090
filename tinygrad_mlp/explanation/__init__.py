"""Explanations: the derivation of a gradient in LaTeX and plain text, from the recorded graph.

The package is not called `explain`, because that is the name of its function: importing a module
`tinygrad_mlp.explain` would put the module in the place of ``tg.explain``.
"""

from tinygrad_mlp.explanation.derivation import Derivation, explain
from tinygrad_mlp.explanation.expressions.equation import Equation
from tinygrad_mlp.explanation.expressions.expression import Expression
from tinygrad_mlp.explanation.levels import Equations

__all__ = ["Derivation", "Equation", "Equations", "Expression", "explain"]
