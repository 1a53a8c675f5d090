"""Export of models to ONNX."""

from tinygrad_mlp.saving.onnx.export import export_onnx

__all__ = ["export_onnx"]
