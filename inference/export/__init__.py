"""Checkpoint in, model folder out: the only room that imports torch and transformers.

The public interface is :func:`inference.export.convert.convert_checkpoint`.
"""
