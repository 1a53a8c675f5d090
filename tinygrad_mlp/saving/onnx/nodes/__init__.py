"""ONNX nodes for each operation that ONNX has: `NODES`, the table, and what reads it."""

from tinygrad_mlp.saving.onnx.nodes import elementwise, networks, reductions, shapes
from tinygrad_mlp.saving.onnx.nodes.table import NODES, has_node, write

__all__ = ["NODES", "elementwise", "has_node", "networks", "reductions", "shapes", "write"]
