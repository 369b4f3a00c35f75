"""Sizes, speeds and abilities in words."""

from __future__ import annotations

from collections.abc import Collection

from PySide6.QtCore import QCoreApplication, QLocale

translate = QCoreApplication.translate  # the name that lupdate looks for


def gigabytes(count: int) -> str:
    """Return a number of bytes as people say it."""
    unit, digits = (1e9, "GB"), 1
    if count < 1e9:
        unit, digits = (1e6, "MB"), 0
    return f"{QLocale().toString(count / unit[0], 'f', digits)} {unit[1]}"


def takes_words(takes: Collection[str]) -> str:
    """Return what a model takes, beginning with text."""
    names = {
        "image": translate("Models", "pictures"),
        "video": translate("Models", "video"),
        "audio": translate("Models", "sound"),
    }
    return ", ".join([translate("Models", "Text"), *(name for kind, name in names.items() if kind in takes)])


def context_words(tokens: int) -> str:
    """Return the length of a context in words."""
    shown = f"{round(tokens / 1024)}K" if tokens >= 8192 else QLocale().toString(tokens)
    return translate("Models", "{tokens} tokens of context").format(tokens=shown)


def time_words(seconds: float) -> str:
    """Return how long something will take."""
    if seconds < 90:
        time = f"{max(1, round(seconds))} s"
    elif seconds < 90 * 60:
        time = f"{round(seconds / 60)} min"
    else:
        time = f"{round(seconds / 3600)} h"
    return translate("Models", "{time} left").format(time=time)
