"""Models on their way out and back in: safetensors, PyTorch, ONNX."""
