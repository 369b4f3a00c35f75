"""The ONNX graphs of a model folder, one file each; they know tensors, never text."""
