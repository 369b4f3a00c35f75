"""What the user chose, typed, and where it is kept: one INI file, written by a thread of its own."""

from __future__ import annotations

import base64
import json
import logging
import re
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final, Literal, get_args
from urllib.parse import urlsplit

from PySide6.QtCore import QCoreApplication

from app.error_report import describe
from app.settings_file import keep_aside, read_settings, write_settings
from inference.errors import ForeignFileError
from inference.foreign_json import JsonLimits, parse_json
from inference.transcription import LANGUAGES

log = logging.getLogger(__name__)
translate = QCoreApplication.translate  # the name that lupdate looks for

ColourScheme = Literal["system", "light", "dark"]
Language = Literal["system", "en", "de"]
ProviderChoice = Literal["auto", "cpu", "cuda"]
DictationMode = Literal["hold", "toggle"]
ZOOM_LEVELS: Final = (80, 90, 100, 110, 125, 150, 175, 200)
"""Sizes of text, in percent of the system's."""
UNLOAD_MINUTES: Final = (-1, 0, 2, 5, 10, 15, 60)
"""Minutes without a question after which the model is unloaded; -1 is never, 0 at once."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting with its default; change one with :func:`dataclasses.replace`."""

    model_folder: Path | None = None
    """The model to load at the start; ``None`` is the default one."""
    thinking: bool = False
    colour_scheme: ColourScheme = "system"
    window_geometry: bytes = b""
    conversation: str = ""
    """The conversation that was open; empty for a new one."""
    text_zoom: int = 100
    """One of ``ZOOM_LEVELS``."""
    language: Language = "system"
    models_folder: Path | None = None
    """Where downloads go; ``None`` is the program's own folder."""
    added_models: tuple[Path, ...] = ()
    """Model folders elsewhere that the user named."""
    provider: ProviderChoice = "auto"
    """What to compute on."""
    unload_after: int = 5
    """One of ``UNLOAD_MINUTES``."""
    hub_mirror: str = ""
    """Address that is asked in place of the Hugging Face Hub; empty for the Hub, or what ``HF_ENDPOINT`` says."""
    hub_token_mirror: str = ""
    """Address of the mirror that may get the user's token for the Hub; another address is another decision."""
    spoken_replies: bool = False
    """Whether replies are read aloud as they come."""
    offline: bool = False
    """Whether no connection to another machine may be opened."""
    remember_state: bool = False
    """Whether what was computed for conversations is kept on disk."""
    check_updates: bool = False
    """Whether to ask at the start if there is a newer version."""
    tray_icon: bool = True
    """Whether to show an icon in the tray, where there is one."""
    close_to_tray: bool = False
    """Whether the program goes on in the tray when its window is closed."""
    tray_told: bool = False
    """Whether the user was told once that it does."""
    sidebar: bool = True
    """Whether the list of conversations is shown where there is room for it."""
    demo_offer: bool = True
    """Whether to offer real models while the demo is loaded."""
    dictation: bool = True
    """Whether keys in every program begin to listen, for text that goes into that program."""
    dictation_mode: DictationMode = "hold"
    """Whether it listens while the keys are held, or from one press to the next."""
    dictation_space: bool = True
    """Whether a space follows the inserted text."""
    spoken_language: str = ""
    """English name of what is spoken to the microphone, such as ``"German"``; empty for whatever is heard."""
    phrases: tuple[str, ...] = ()
    """Names and terms that are to be spelled so."""
    translate_to: str = ""
    """English name of the language that the microphone's page translates into; empty for none."""
    microphone: str = ""
    """Name of the microphone; empty for the one that the system prefers."""
    global_keys: Mapping[str, str] = field(default_factory=dict)
    """Keys in every program that differ from the default, by action; an empty text is none."""
    shortcuts: Mapping[str, str] = field(default_factory=dict)
    """Keys that differ from the default, by action; an empty text is none."""


class SettingsStore:
    """Reads the settings once and writes them without holding up the window."""

    def __init__(self, file: Path, unwritten: Callable[[], object] = lambda: None) -> None:
        self._file = file
        self._unwritten = unwritten
        """Called on the thread that writes when that is not possible."""
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="larimar-settings")
        self._stored: Settings | None = None
        self._kept_version = 0
        self._whole = False
        """Whether the file as a whole was not understood."""
        self._senseless: tuple[str, ...] = ()
        self._aside: Path | None = None
        """Where the file is kept as it was."""

    def load(self) -> Settings:
        """Return the stored settings; whatever is missing or makes no sense has its default.

        What makes no sense is kept in a file beside, and :meth:`notice` says so.
        """
        found = read_settings(self._file)
        senseless: list[str] = []
        settings = settings_of(migrated(found.texts), senseless)
        self._kept_version = min(_number(found.texts.get(VERSION_KEY, "")), _VERSION_AT_MOST)
        self._whole = found.damaged
        self._senseless = tuple(senseless)
        if found.damaged or senseless:
            self._aside = keep_aside(self._file, move=found.damaged)
        self._stored = settings
        return settings

    def notice(self) -> str:
        """Return what the user should know about the stored settings, once they are loaded; empty for nothing."""
        if self._whole:
            words = translate("Storage", "Your settings could not be read and were reset to their defaults.")
        elif self._senseless:
            words = translate("Storage", "Some settings were invalid and were reset to their defaults.")
        else:
            return ""
        if self._aside is None:
            return words
        kept = translate("Storage", "The old file is now “{path}”.")
        if not self._whole:
            kept = translate("Storage", "A copy of the old file is “{path}”.")
        return f"{words} {kept.format(path=self._aside)}"

    def save(self, settings: Settings) -> None:
        """Write ``settings`` soon; returns at once."""
        if settings != self._stored:
            self._stored = settings
            self._writer.submit(self._write, settings)

    def close(self) -> None:
        """Wait until everything is written."""
        self._writer.shutdown(wait=True)

    def _write(self, settings: Settings) -> None:
        # A newer program's number stays, and so does what only that program understands.
        version = {VERSION_KEY: str(max(VERSION, self._kept_version))}
        try:
            write_settings(self._file, version | texts_of(settings), OUTDATED)
        except OSError as error:
            log.warning("The settings could not be written to %s: %s", self._file, error.strerror)
            self._unwritten()
        except Exception as error:  # the next change is written all the same
            log.error("The settings could not be written: %s", describe(error))


# --- settings as texts ---

VERSION_KEY: Final = "settings/version"
_VERSION_AT_MOST: Final = 1_000_000
_TEXT_AT_MOST: Final = 1000
_PATH_AT_MOST: Final = 4096
"""Characters of one path or address; no system takes more."""
_GEOMETRY_AT_MOST: Final = 10_000
_LIMITS: Final = JsonLimits(bytes=1 << 20, depth=2, values=10_000)
_UNFIT: Final = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")
"""What no name, path or address contains."""


def _one_of(allowed: tuple[Any, ...]) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        for value in allowed:
            if str(value) == text:
                return value
        raise ValueError(text)

    return read


def _switch(text: str) -> bool:
    return bool({"true": True, "false": False}[text.lower()])


def _plain(most: int) -> Callable[[str], str]:
    """Return a reader of one line of at most ``most`` characters."""

    def read(text: str) -> str:
        if len(text) > most or _UNFIT.search(text):
            raise ValueError("no line of text")
        return text

    return read


def _geometry(text: str) -> bytes:
    if len(text) > 4 * _GEOMETRY_AT_MOST // 3 + 4:
        raise ValueError("too much for the place of a window")
    return base64.b64decode(text, validate=True)


def _path(text: str) -> Path | None:
    return Path(_plain(_PATH_AT_MOST)(text)) if text else None


def _paths(text: str) -> tuple[Path, ...]:
    return tuple(Path(each) for each in _list_of_texts(text, _PATH_AT_MOST))


def _texts(text: str) -> tuple[str, ...]:
    return tuple(_list_of_texts(text, _TEXT_AT_MOST))


def _list_of_texts(text: str, most: int) -> list[str]:
    found = parse_json(text, "a setting", _LIMITS)
    if not isinstance(found, list) or not all(isinstance(each, str) and each for each in found):
        raise ValueError("no list of texts")
    return [_plain(most)(each) for each in found]


def _keys(text: str) -> dict[str, str]:
    found = parse_json(text, "a setting", _LIMITS)
    if not isinstance(found, dict) or not all(isinstance(keys, str) for keys in found.values()):
        raise ValueError("no keys")
    line = _plain(_TEXT_AT_MOST)
    return {line(action): line(keys) for action, keys in found.items()}


def web_address(text: str) -> str:
    """Return ``text`` as an address of a web server, without a slash at its end; nothing for nothing.

    Raises:
        ValueError: it is none.
    """
    address = _plain(_PATH_AT_MOST)(text.strip().rstrip("/"))
    parts = urlsplit(address)
    whole = parts.scheme in ("http", "https") and parts.hostname and not any(each.isspace() for each in address)
    whole = whole and parts.port != 0  # which raises where it is no number, or one too large
    if address and not whole:
        raise ValueError(text)
    return address


def _said(switch: bool) -> str:
    return "true" if switch else "false"


@dataclass(frozen=True, slots=True)
class _Form:
    """How a setting is written."""

    key: str
    read: Callable[[str], Any]
    """Raises ``ValueError`` or ``LookupError`` when the text makes no sense."""
    write: Callable[[Any], str] = str


_FORMS: Final = {
    "model_folder": _Form("model/folder", _path, lambda path: str(path or "")),
    "thinking": _Form("chat/thinking", _switch, _said),
    "colour_scheme": _Form("appearance/colour_scheme", _one_of(get_args(ColourScheme))),
    "window_geometry": _Form("window/geometry", _geometry, lambda value: base64.b64encode(value).decode("ascii")),
    "conversation": _Form("chat/conversation", _plain(_TEXT_AT_MOST)),
    "text_zoom": _Form("appearance/text_zoom", _one_of(ZOOM_LEVELS)),
    "language": _Form("appearance/language", _one_of(get_args(Language))),
    "models_folder": _Form("model/downloads", _path, lambda path: str(path or "")),
    "added_models": _Form("model/added", _paths, lambda paths: json.dumps([str(path) for path in paths])),
    "provider": _Form("model/provider", _one_of(get_args(ProviderChoice))),
    "unload_after": _Form("model/unload_after", _one_of(UNLOAD_MINUTES)),
    "hub_mirror": _Form("model/hub_mirror", web_address),
    "hub_token_mirror": _Form("model/hub_token_mirror", web_address),
    "spoken_replies": _Form("chat/spoken_replies", _switch, _said),
    "offline": _Form("privacy/offline", _switch, _said),
    "remember_state": _Form("privacy/remember_state", _switch, _said),
    "check_updates": _Form("privacy/check_updates", _switch, _said),
    "tray_icon": _Form("window/tray_icon", _switch, _said),
    "close_to_tray": _Form("window/close_to_tray", _switch, _said),
    "tray_told": _Form("window/tray_told", _switch, _said),
    "sidebar": _Form("window/sidebar", _switch, _said),
    "demo_offer": _Form("window/demo_offer", _switch, _said),
    "dictation": _Form("dictation/on", _switch, _said),
    "dictation_mode": _Form("dictation/mode", _one_of(get_args(DictationMode))),
    "dictation_space": _Form("dictation/space_after", _switch, _said),
    "spoken_language": _Form("speech/language", _one_of(("", *LANGUAGES))),
    "phrases": _Form("speech/phrases", _texts, json.dumps),
    "translate_to": _Form("speech/translate_to", _one_of(("", *LANGUAGES))),
    "microphone": _Form("speech/microphone", _plain(_TEXT_AT_MOST)),
    "global_keys": _Form("keys/everywhere", _keys, lambda keys: json.dumps(dict(keys), sort_keys=True)),
    "shortcuts": _Form("keys/changed", _keys, lambda keys: json.dumps(dict(keys), sort_keys=True)),
}
assert _FORMS.keys() == {each.name for each in fields(Settings)}


def settings_of(texts: Mapping[str, str], senseless: list[str] | None = None) -> Settings:
    """Return the settings that are written in ``texts``; what is missing or makes no sense has its default.

    The keys of what makes no sense are added to ``senseless``.
    """
    found: dict[str, Any] = {}
    for name, form in _FORMS.items():
        if form.key in texts:
            try:
                found[name] = form.read(texts[form.key])
            except (ValueError, LookupError, ForeignFileError):
                log.warning("The setting %s makes no sense and has its default again", form.key)
                if senseless is not None:
                    senseless.append(form.key)
    return Settings(**found)


def texts_of(settings: Settings) -> dict[str, str]:
    """Return what :func:`settings_of` reads."""
    return {form.key: form.write(getattr(settings, name)) for name, form in _FORMS.items()}


# --- settings of earlier versions ---


def _appearance_has_a_section(texts: dict[str, str]) -> None:
    if "window/colour_scheme" in texts:
        texts["appearance/colour_scheme"] = texts.pop("window/colour_scheme")


_STEPS: Final = (_appearance_has_a_section,)
"""Step n leads from version n+1 to the next."""
VERSION: Final = len(_STEPS) + 1
OUTDATED: Final = ("window/colour_scheme",)
"""Keys that no version writes any more."""


def migrated(texts: Mapping[str, str]) -> dict[str, str]:
    """Return settings of any version as the present one writes them; those of a newer one as they are."""
    result = dict(texts)
    version = _number(result.get(VERSION_KEY, "")) or 1
    for step in _STEPS[version - 1 :]:
        step(result)
    return result


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
