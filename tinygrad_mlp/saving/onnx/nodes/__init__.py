"""The ONNX nodes for each operation that ONNX has: the table `NODES` and its users."""

from tinygrad_mlp.saving.onnx.nodes import (
    elementwise_nodes,
    network_nodes,
    reduction_nodes,
    shape_nodes,
)
from tinygrad_mlp.saving.onnx.nodes.table import NODES, has_node, write

__all__ = [
    "NODES",
    "elementwise_nodes",
    "has_node",
    "network_nodes",
    "reduction_nodes",
    "shape_nodes",
    "write",
]
