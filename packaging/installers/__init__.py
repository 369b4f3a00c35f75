"""Turns the checkout into what a stranger can install; driven by ``packaging/build.py``."""
