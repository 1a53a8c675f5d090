"""Saving, loading and exporting of models: safetensors, PyTorch, ONNX."""
