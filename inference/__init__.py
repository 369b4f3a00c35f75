"""Gemma 4 on ONNX Runtime: knows nothing of Qt, and of torch only in :mod:`inference.export`."""
