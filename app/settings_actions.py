"""What follows from the settings, and the dialogs around them: between the settings and the rest of the program."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from PySide6.QtCore import QObject, Qt, QUrl, Signal
from PySide6.QtGui import QDesktopServices, QShortcut
from PySide6.QtWidgets import QAbstractButton, QDialog, QWidget

from app import update_check
from app.about_dialog import AboutDialog
from app.background import Background
from app.global_keys import GlobalKeys
from app.hub_token import HubToken
from app.log_dialog import LogDialog
from app.paths import Paths
from app.settings import Settings
from app.settings_dialog import SettingsDialog
from app.shortcuts import Shortcuts
from app.theme import Theme
from app.tray import Tray
from app.update_check import Release
from app.window import MainWindow
from inference.network import NETWORK

log = logging.getLogger(__name__)


class SettingsActions(QObject):
    """Applies settings, and opens the settings, the log, and what is said about the program."""

    changed = Signal(object)
    """The user changed something; carries the new :class:`~app.settings.Settings`, which are in force already."""
    wipe_requested = Signal()

    def __init__(
        self,
        settings: Settings,
        window: MainWindow,
        theme: Theme,
        paths: Paths,
        background: Background,
        parent: QObject,
        *,
        global_keys: GlobalKeys | None = None,
        token: HubToken | None = None,
    ) -> None:
        super().__init__(parent)
        self._global_keys = global_keys
        self._settings = settings
        self._window = window
        self._theme = theme
        self._paths = paths
        self._background = background
        self._token = token or HubToken()
        self._dialog: SettingsDialog | None = None
        self.newest_release: Callable[[], Release] = update_check.newest_release
        self.update_allowed: Callable[[], bool] = update_check.allowed
        self.open_link: Callable[[QUrl], object] = QDesktopServices.openUrl
        self.tray = Tray(window.windowIcon(), self)
        self.shortcuts = self._bind(settings)
        window.menu.settings_requested.connect(self.open_settings)
        window.menu.log_requested.connect(self.open_log)
        window.menu.about_requested.connect(self.open_about)
        window.sidebar_changed.connect(lambda shown: self._change(replace(self._settings, sidebar=shown)))
        window.stays_in_tray = lambda: self._settings.close_to_tray and self.tray.shown
        window.left_in_tray.connect(self._left_in_tray)
        window.offer.dismissed.connect(lambda: self._change(replace(self._settings, demo_offer=False)))
        window.update_notice.opened.connect(lambda address: self.open_link(QUrl(address)))
        self._apply(settings)

    def keep_up(self, settings: Settings) -> None:
        """Take over what was changed elsewhere."""
        self._settings = settings

    def start(self) -> None:
        """Look for a newer version, if the user wants that."""
        if self._settings.check_updates and not self._settings.offline and self.update_allowed():
            self._background.run(self.newest_release, self._release_known, lambda _: None)

    def close(self) -> None:
        """Close what is open."""
        if self._dialog is not None:
            self._dialog.close()
        self.tray.close()

    def open_settings(self) -> SettingsDialog:
        """Show the settings; a second time brings them to the front."""
        if self._dialog is None:
            dialog = self._dialog = SettingsDialog(
                self._settings,
                self._theme,
                self.shortcuts,
                self._paths,
                updates=self.update_allowed(),
                tray=self.tray.available,
                global_keys=self._global_keys,
                parent=self._window,
            )
            dialog.changed.connect(self._change)
            dialog.update_check_requested.connect(self._look_for_update)
            dialog.wipe_requested.connect(self.wipe_requested)
            dialog.log_requested.connect(self.open_log)
            dialog.token_given.connect(self._keep_token)
            dialog.token_removed.connect(self._forget_token)
            dialog.finished.connect(self._settings_closed)
            self._background.run(self._token.read, lambda token: self._show_token(bool(token)))
            self._open(dialog)
        self._dialog.raise_()
        self._dialog.activateWindow()
        return self._dialog

    def open_log(self) -> LogDialog:
        """Show the log."""
        dialog = LogDialog(self._paths.logs, self._theme, self._background, self._dialog or self._window)
        self._open(dialog)
        return dialog

    def open_about(self) -> AboutDialog:
        """Say what this is."""
        dialog = AboutDialog(self._theme, parent=self._window)
        self._open(dialog)
        return dialog

    @staticmethod
    def _open(dialog: QDialog) -> None:
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.show()

    def _settings_closed(self) -> None:
        self._dialog = None

    def _change(self, settings: Settings) -> None:
        # The dialog knows nothing of what is changed elsewhere while it is open.
        settings = replace(
            settings,
            model_folder=self._settings.model_folder,
            added_models=self._settings.added_models,
            conversation=self._settings.conversation,
            window_geometry=self._settings.window_geometry,
            tray_told=self._settings.tray_told or settings.tray_told,
        )
        self._settings = settings
        self._apply(settings)
        self.changed.emit(settings)

    def _apply(self, settings: Settings) -> None:
        self._theme.wish(settings.colour_scheme)
        self._theme.zoom(settings.text_zoom)
        self._window.menu.show_scheme(settings.colour_scheme)
        self._window.chat.composer.think.setChecked(settings.thinking)
        self._window.models.set_folders(settings.models_folder or self._paths.models, settings.added_models)
        self._window.offer.set_wanted(settings.demo_offer)
        self._window.status.show_offline(settings.offline)
        self._window.set_sidebar(settings.sidebar)
        self.tray.set_shown(settings.tray_icon)
        NETWORK.offline = settings.offline
        _tell_hub(settings.offline)

    def _left_in_tray(self) -> None:
        """Say once where the program has gone."""
        if not self._settings.tray_told:
            self._change(replace(self._settings, tray_told=True))
            self.tray.say(self.tr("Larimar goes on in the tray. Its icon brings the window back, and ends it."))

    # --- the token ---

    def _keep_token(self, token: str) -> None:
        self._background.run(
            lambda: self._token.write(token),
            lambda _: self._show_token(True),
            lambda error: self._show_token(False, str(error)),
        )

    def _forget_token(self) -> None:
        self._background.run(
            self._token.delete,
            lambda _: self._show_token(False),
            lambda error: self._show_token(True, str(error)),
        )

    def _show_token(self, kept: bool, problem: str = "") -> None:
        if self._dialog is not None:
            self._dialog.show_token(kept, problem)

    # --- a newer version ---

    def _look_for_update(self) -> None:
        self._background.run(self.newest_release, self._update_found, self._update_not_found)

    def _update_found(self, release: Release) -> None:
        self._release_known(release)
        if self._dialog is not None:
            newer = self.tr("Larimar {version} is there: {address}").format(
                version=release.version, address=release.page
            )
            self._dialog.show_update_answer(newer if release.newer else self.tr("This is the newest version."))

    def _update_not_found(self, error: Exception) -> None:
        if self._dialog is not None:
            self._dialog.show_update_answer(str(error), alarming=True)

    def _release_known(self, release: Release) -> None:
        if release.newer:
            self._window.update_notice.show_release(release.version, release.page)

    # --- keys ---

    def _bind(self, settings: Settings) -> Shortcuts:
        window = self._window
        shortcuts = Shortcuts(settings.shortcuts, self)
        header = window.chat.header

        def bind(
            action_id: str,
            name: str,
            keys: str,
            act: Callable[[], object],
            button: QAbstractButton | None = None,
            place: QWidget = window,
        ) -> None:
            shortcut = QShortcut(place)
            shortcut.activated.connect(act)
            shortcuts.bind(action_id, name, shortcut, keys, button)

        bind("new_chat", self.tr("New chat"), "Ctrl+N", window.new_chat, header.new_button)
        bind(
            "conversations",
            self.tr("Show or hide conversations"),
            "Ctrl+B",
            window.toggle_history,
            header.history_button,
            header,
        )
        bind("search", self.tr("Search all conversations"), "Ctrl+F", window.search_history)
        for button, shortcut in zip(window.rail.buttons, window.rail.shortcuts, strict=True):
            shortcuts.bind(f"pane {button.text()}", button.text(), shortcut, button=button)
        bind("settings", self.tr("Settings"), "Ctrl+,", self.open_settings)
        bind("think", self.tr("Think before answering"), "Ctrl+T", window.chat.composer.think.toggle, place=window.chat)
        bind("attach", self.tr("Attach files"), "Ctrl+O", window.chat.composer.attach.click, place=window.chat)
        bind("quit", self.tr("Quit"), "Ctrl+Q", window.quit)
        return shortcuts


_OFFLINE_AT_START: Final = os.environ.get("HF_HUB_OFFLINE")
"""The user may have forbidden the Hub from outside; then the switch does not allow it."""


def _tell_hub(offline: bool) -> None:
    """Let Hugging Face's library know too, whether it is imported already or later."""
    if offline:
        os.environ["HF_HUB_OFFLINE"] = "1"
    elif _OFFLINE_AT_START is None:
        os.environ.pop("HF_HUB_OFFLINE", None)
    constants = sys.modules.get("huggingface_hub.constants")
    if constants is not None:
        wanted = os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")
        constants.HF_HUB_OFFLINE = wanted  # type: ignore[attr-defined]
