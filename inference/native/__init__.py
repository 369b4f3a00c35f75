"""Operators of our own for ONNX Runtime, in C++: ``packaging/build_operators.py`` makes a library of them."""
