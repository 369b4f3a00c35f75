"""What the user chose, typed, and where it is kept: one INI file, written by a thread of its own."""

from __future__ import annotations

import base64
import binascii
import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from PySide6.QtCore import QSettings

log = logging.getLogger(__name__)

ColourScheme = Literal["system", "light", "dark"]


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting with its default; change one with :func:`dataclasses.replace`."""

    model_folder: Path | None = None
    """``None`` is the default model."""
    thinking: bool = False
    colour_scheme: ColourScheme = "system"
    window_geometry: bytes = b""
    conversation: str = ""
    """The conversation that was open; empty for a new one."""


class SettingsStore:
    """Reads the settings once and writes them without holding up the window."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="larimar-settings")
        self._stored: Settings | None = None

    def load(self) -> Settings:
        """Return the stored settings; whatever is missing or makes no sense has its default."""
        stored = QSettings(str(self._file), QSettings.Format.IniFormat)
        default = Settings()
        folder = str(stored.value("model/folder", ""))
        scheme = str(stored.value("window/colour_scheme", default.colour_scheme))
        self._stored = Settings(
            model_folder=Path(folder) if folder else None,
            thinking=str(stored.value("chat/thinking", default.thinking)).lower() == "true",
            colour_scheme=scheme if scheme in get_args(ColourScheme) else default.colour_scheme,  # type: ignore[arg-type]
            window_geometry=_bytes(str(stored.value("window/geometry", ""))),
            conversation=str(stored.value("chat/conversation", "")),
        )
        return self._stored

    def save(self, settings: Settings) -> None:
        """Write ``settings`` soon; returns at once."""
        if settings != self._stored:
            self._stored = settings
            self._writer.submit(self._write, settings)

    def close(self) -> None:
        """Wait until everything is written."""
        self._writer.shutdown(wait=True)

    def _write(self, settings: Settings) -> None:
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            stored = QSettings(str(self._file), QSettings.Format.IniFormat)
            stored.setValue("model/folder", str(settings.model_folder or ""))
            stored.setValue("chat/thinking", "true" if settings.thinking else "false")
            stored.setValue("window/colour_scheme", settings.colour_scheme)
            stored.setValue("chat/conversation", settings.conversation)
            stored.setValue("window/geometry", base64.b64encode(settings.window_geometry).decode("ascii"))
            stored.sync()
            if stored.status() is not QSettings.Status.NoError:
                log.warning("The settings could not be written to %s", self._file)
        except OSError as error:
            log.warning("The settings could not be written to %s: %s", self._file, error.strerror)


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
