"""Larimar's window: everything that knows Qt."""
