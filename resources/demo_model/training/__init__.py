"""Trains Larimar's demo model: text generator, tokenizer, training and evaluation.

Not part of the app, which never imports this package. The stages, each one command from the repository root::

    python -m resources.demo_model.training.prepare
    python -m resources.demo_model.training.train
    python -m resources.demo_model.training.evaluate
"""
