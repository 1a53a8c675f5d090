"""The ONNX nodes for each operation that ONNX has: the table `NODES` and its users."""

from tinygrad_mlp.saving.onnx.nodes import elementwise_nodes as elementwise_nodes
from tinygrad_mlp.saving.onnx.nodes import normalisation_nodes as normalisation_nodes
from tinygrad_mlp.saving.onnx.nodes import reduction_nodes as reduction_nodes
from tinygrad_mlp.saving.onnx.nodes import shape_nodes as shape_nodes
from tinygrad_mlp.saving.onnx.nodes.table import NODES as NODES
from tinygrad_mlp.saving.onnx.nodes.table import has_node as has_node
from tinygrad_mlp.saving.onnx.nodes.table import write as write
