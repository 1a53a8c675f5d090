"""Drawing: the recorded graph as a picture, in Graphviz's DOT language and as SVG."""

from tinygrad_mlp.drawing.picture import Drawing, draw

__all__ = ["Drawing", "draw"]
