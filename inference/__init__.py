"""Gemma 4 on ONNX Runtime: knows nothing of Qt, and of torch only in :mod:`inference.export`."""

import os

# Nothing leaves the machine: since 1.29, ONNX Runtime reports to its makers unless this stands before its import.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
