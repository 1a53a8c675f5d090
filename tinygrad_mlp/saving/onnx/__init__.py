"""Export of models to ONNX."""

from tinygrad_mlp.saving.onnx.export import export_onnx
from tinygrad_mlp.saving.onnx.skl2onnx_converter import register_skl2onnx

__all__ = ["export_onnx", "register_skl2onnx"]
