"""The one place that holds the version of Larimar."""

__version__ = "0.1.0"
