"""The settings: one sheet with sections, a list of them at its side, and a search over everything."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import QCoreApplication, QSignalBlocker, QSize, Qt, Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import (
    QDialog,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from app.dictation_settings import DictationRows
from app.global_keys import GlobalKeys
from app.key_rows import GlobalKeyRows, ShortcutRows
from app.paths import Paths
from app.settings import UNLOAD_MINUTES, ZOOM_LEVELS, Settings, web_address
from app.settings_rows import Section
from app.shortcuts import Shortcuts
from app.theme import GRID, Theme
from app.widgets.choice import Choice
from app.widgets.confirm import Confirm
from app.widgets.secret_field import SecretField
from app.widgets.switch import Switch
from inference.hub_client import may_take_token

translate = QCoreApplication.translate  # the name that lupdate looks for
_FIELD_WIDTH = 220


class SettingsDialog(QDialog):
    """Shows settings and says which are changed; what follows from a change is for its owner."""

    changed = Signal(object)
    """Carries the new :class:`~app.settings.Settings`."""
    update_check_requested = Signal()
    wipe_requested = Signal()
    log_requested = Signal()
    token_given = Signal(str)
    """The user's token for the Hugging Face Hub is to be kept."""
    token_removed = Signal()

    def __init__(
        self,
        settings: Settings,
        theme: Theme,
        shortcuts: Shortcuts,
        paths: Paths,
        *,
        updates: bool = True,
        tray: bool = True,
        global_keys: GlobalKeys | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle(self.tr("Settings"))
        self.setMinimumSize(560, 420)
        self.resize(820, 640)
        self._settings = settings
        self._theme = theme
        self._shortcuts = shortcuts
        self._paths = paths
        self.choose_folder: Callable[[Path], Path | None] = self._ask_for_folder
        self.search = QLineEdit(self)
        self.search.setPlaceholderText(self.tr("Search settings"))
        self.search.setAccessibleName(self.tr("Search settings"))
        self.search.setClearButtonEnabled(True)
        self._glass = QAction(self)
        self.search.addAction(self._glass, QLineEdit.ActionPosition.LeadingPosition)
        self.list = QListWidget(self)
        self.list.setObjectName("sections")
        self.list.setAccessibleName(self.tr("Sections"))
        self.list.setFixedWidth(184)
        self._inside = QWidget(self)
        self._inside.setObjectName("inside")
        self._nothing = QLabel(self.tr("No setting has these words."), self._inside)
        self._nothing.setObjectName("hint")
        self._nothing.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        self._nothing.hide()
        self.area = QScrollArea(self)
        self.area.setObjectName("sheet")
        self.area.setWidgetResizable(True)
        self.area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.area.setWidget(self._inside)
        self._column = QVBoxLayout(self._inside)
        self._column.setContentsMargins(3 * GRID, 2 * GRID, 3 * GRID, GRID)
        self._column.setSpacing(0)
        self._column.addWidget(self._nothing)
        self.sections: list[Section] = []
        self._add_appearance(tray)
        self._add_models()
        self._add_voice()
        if global_keys is not None:
            self._add_dictation()
        self._add_privacy(updates)
        self._add_keys()
        if global_keys is not None:
            self._add_global_keys(global_keys)
        self._column.addStretch(1)
        self._arrange()
        self.list.setCurrentRow(0)
        self.search.textChanged.connect(self._filter)
        self.list.currentRowChanged.connect(self._scroll_to)
        self.area.verticalScrollBar().valueChanged.connect(self._scrolled)
        theme.changed.connect(self._restyle)
        self._restyle()
        self.search.setFocus()

    @property
    def settings(self) -> Settings:
        """The settings as they are shown."""
        return self._settings

    def show_section(self, title: str) -> None:
        """Begin with a section."""
        for number, section in enumerate(self.sections):
            if section.title == title:
                self.list.setCurrentRow(number)

    def show_offline(self) -> None:
        """Say what the switch forbids."""
        self.update_button.setEnabled(not self._settings.offline)

    def show_update_answer(self, words: str, *, alarming: bool = False) -> None:
        """Say what came of the look for a newer version."""
        self._update_row.say(words, alarming=alarming)
        self.update_button.setEnabled(not self._settings.offline)

    def show_token(self, kept: bool, problem: str = "") -> None:
        """Say whether a token is kept, or why it could not be."""
        self.token.show_kept(kept)
        self._token_row.say(problem or (self.tr("A token is kept.") if kept else ""), alarming=bool(problem))

    # --- sections ---

    def _add_appearance(self, tray: bool) -> None:
        section = self._section(self.tr("Appearance"))
        self.scheme = self._choice(
            section,
            self.tr("Colours"),
            "",
            {"system": self.tr("Like the system"), "light": self.tr("Light"), "dark": self.tr("Dark")},
            "colour_scheme",
        )
        self.zoom = self._choice(
            section,
            self.tr("Text size"),
            self.tr("Of everything that is written in the window."),
            {level: self.tr("{percent} %").format(percent=level) for level in ZOOM_LEVELS},
            "text_zoom",
        )
        self.language = self._choice(
            section,
            self.tr("Language"),
            self.tr("Of the window; the model answers in the language in which you ask. Changes at the next start."),
            {"system": self.tr("Like the system"), "en": "English", "de": "Deutsch"},
            "language",
        )
        if tray:
            self.tray = self._switch(
                section, self.tr("Icon in the tray"), self.tr("Brings the window back with one click."), "tray_icon"
            )
            self.close_to_tray = self._switch(
                section,
                self.tr("Go on in the tray when the window is closed"),
                self.tr("The keys for dictation and the screen work as long as Larimar runs. Needs the icon."),
                "close_to_tray",
            )

    def _add_models(self) -> None:
        section = self._section(self.tr("Models"))
        self.thinking = self._switch(
            section,
            self.tr("Think before answering"),
            self.tr("How new conversations begin; the button under the message changes it too. Slower, often better."),
            "thinking",
        )
        self.provider = self._choice(
            section,
            self.tr("Compute on"),
            self.tr("The status line says what is really in use. Changes when a model is loaded next."),
            {
                "auto": self.tr("What is fastest"),
                "cpu": self.tr("The processor (CPU)"),
                "cuda": self.tr("The graphics card (CUDA)"),
            },
            "provider",
        )
        self.unload = self._choice(
            section,
            self.tr("Unload the model when nothing is asked"),
            self.tr("Gives its memory back. The next question, or typing one, loads it again."),
            {minutes: self._unload_words(minutes) for minutes in UNLOAD_MINUTES},
            "unload_after",
        )
        self.token = SecretField(self.tr("Hugging Face token"), "hf_…", self._inside)
        self.token.given.connect(self.token_given)
        self.token.removed.connect(self.token_removed)
        self._token_row = section.add(
            self.tr("Hugging Face token"),
            self.tr("For models whose terms you had to accept. It is kept in the system’s keyring."),
            self.token,
        )
        self.mirror = QLineEdit(self._settings.hub_mirror, self._inside)
        self.mirror.setAccessibleName(self.tr("Mirror of the Hugging Face Hub"))
        self.mirror.setPlaceholderText("https://huggingface.co")
        self.mirror.setFixedWidth(_FIELD_WIDTH)
        self.mirror.editingFinished.connect(self._mirror_given)
        self._mirror_row = section.add(
            self.tr("Mirror of the Hugging Face Hub"),
            self.tr("This address is asked instead. Leave it empty for the Hub itself."),
            self.mirror,
        )
        self.mirror_token = Switch(self._theme, self.tr("Send the token to the mirror"), self._inside)
        self.mirror_token.toggled.connect(self._mirror_trusted)
        section.add(
            self.tr("Send the token to the mirror"),
            self.tr("Only for a mirror that you trust as you trust the Hub. Its address must begin with https://."),
            self.mirror_token,
        )
        self._show_mirror_trust()
        button = self._button(self.tr("Choose…"), self._choose_models_folder, self.tr("Choose a folder for models"))
        self._folder_row = section.add(self.tr("Folder for downloaded models"), "", button)
        self.folder_button = button
        self._show_models_folder()

    def _add_voice(self) -> None:
        section = self._section(self.tr("Voice"))
        self.spoken_replies = self._switch(
            section,
            self.tr("Read replies aloud"),
            self.tr("Sentence by sentence, as they come. The button over the conversation does the same."),
            "spoken_replies",
        )

    def _add_dictation(self) -> None:
        section = self._section(self.tr("Dictation"))
        self.dictation = DictationRows(section, self._settings, self._change, self._switch, self._choice)

    def _add_global_keys(self, keys: GlobalKeys) -> None:
        section = self._section(self.tr("Global keys"))
        self.global_keys = GlobalKeyRows(section, keys, self._shortcuts, self._change, self._button, self._inside)

    def _add_privacy(self, updates: bool) -> None:
        section = self._section(self.tr("Privacy"))
        self.offline = self._switch(
            section,
            self.tr("Offline"),
            self.tr(
                "No connection leaves this computer, whatever asks for one. Without it, Larimar connects only when "
                "you download a model or look for a newer version."
            ),
            "offline",
        )
        self.remember = self._switch(
            section,
            self.tr("Remember conversations’ state for faster starts"),
            self.tr(
                "Keeps up to 2 GB of what the model computed, so that long conversations go on at once after a "
                "restart. What was said can be made out from it. Changes when a model is loaded next."
            ),
            "remember_state",
        )
        self.update_button = self._button(
            self.tr("Look now"), self._look_for_update, self.tr("Look for a newer version now")
        )
        if updates:
            from app.update_check import RELEASE_URL

            self.updates = self._switch(
                section,
                self.tr("Look for a newer version at the start"),
                self.tr("One request to {address}, which says nothing but the version of this program.").format(
                    address=RELEASE_URL
                ),
                "check_updates",
            )
            self._update_row = section.add(self.tr("Newest version"), "", self.update_button)
        else:
            self.update_button.hide()
        self.log_button = self._button(self.tr("Show…"), self.log_requested.emit, self.tr("Show the log"))
        section.add(
            self.tr("Log and crash reports"),
            self.tr("They stay in {folder} and never hold what is said to or by the model.").format(
                folder=self._paths.logs
            ),
            self.log_button,
        )
        self.wipe_button = self._button(self.tr("Wipe…"), self._ask_to_wipe, self.tr("Wipe everything"))
        row = section.add(
            self.tr("Wipe everything"),
            self.tr("Deletes all conversations with their media, downloaded models, caches, logs and settings."),
            self.wipe_button,
        )
        self.wipe_confirm = Confirm(self.tr("Delete everything"), self.tr("Keep everything"), row)
        self.wipe_confirm.agreed.connect(self.wipe_requested)
        self.wipe_confirm.refused.connect(self._keep_everything)
        row.column.addWidget(self.wipe_confirm)

    def _add_keys(self) -> None:
        section = self._section(self.tr("Keyboard"))
        self.shortcut_rows = ShortcutRows(section, self._shortcuts, self._change, self._button, self._inside)

    def _unload_words(self, minutes: int) -> str:
        if minutes < 0:
            return self.tr("Never")
        if minutes == 0:
            return self.tr("At once")
        return self.tr("After an hour") if minutes == 60 else self.tr("After {count} minutes").format(count=minutes)

    # --- what happens ---

    def _change(self, **values: object) -> None:
        settings = replace(self._settings, **values)  # type: ignore[arg-type]
        if settings != self._settings:
            self._settings = settings
            self.show_offline()
            self.changed.emit(settings)

    def _choose_models_folder(self) -> None:
        folder = self.choose_folder(self._settings.models_folder or self._paths.models)
        if folder is not None:
            self._change(models_folder=None if folder == self._paths.models else folder)
            self._show_models_folder()

    def _show_models_folder(self) -> None:
        folder = self._settings.models_folder or self._paths.models
        self._folder_row.about.setText(str(folder))
        self._folder_row.about.setVisible(True)

    def _mirror_given(self) -> None:
        try:
            self._change(hub_mirror=web_address(self.mirror.text()))
        except ValueError:
            words = self.tr("This is no address of a web server: it begins with https:// or http://.")
            self._mirror_row.say(words, alarming=True)
        else:
            self._mirror_row.say("")
            self._show_mirror_trust()

    def _show_mirror_trust(self) -> None:
        mirror = self._settings.hub_mirror
        with QSignalBlocker(self.mirror_token):
            self.mirror_token.setChecked(bool(mirror) and mirror == self._settings.hub_token_mirror)
        self.mirror_token.setEnabled(may_take_token(mirror))

    def _mirror_trusted(self, trusted: bool) -> None:
        self._change(hub_token_mirror=self._settings.hub_mirror if trusted else "")

    def _look_for_update(self) -> None:
        self.update_button.setEnabled(False)
        self._update_row.say(self.tr("Looking …"))
        self.update_check_requested.emit()

    def _ask_to_wipe(self) -> None:
        self.wipe_button.setEnabled(False)
        self.wipe_confirm.ask(
            self.tr(
                "Everything that Larimar has kept on this computer will be deleted, and cannot be brought back. "
                "Larimar then begins anew."
            )
        )
        self.area.ensureWidgetVisible(self.wipe_confirm)

    def _keep_everything(self) -> None:
        self.wipe_button.setEnabled(True)
        self.wipe_button.setFocus(Qt.FocusReason.OtherFocusReason)

    def _filter(self, text: str) -> None:
        words = text.casefold().split()
        found = [section.filter(words) for section in self.sections]
        for number, there in enumerate(found):
            self.list.item(number).setHidden(not there)
        self._nothing.setVisible(not any(found))

    def _scroll_to(self, number: int) -> None:
        if number >= 0:
            self.area.verticalScrollBar().setValue(self.sections[number].y() - 2 * GRID)

    def _scrolled(self, value: int) -> None:
        """Mark the section that is seen."""
        if self.list.hasFocus():
            return
        end = value >= self.area.verticalScrollBar().maximum()
        seen = [n for n, section in enumerate(self.sections) if section.isVisible() and section.y() - 3 * GRID <= value]
        self.list.blockSignals(True)
        self.list.setCurrentRow(len(self.sections) - 1 if end and value else (seen[-1] if seen else 0))
        self.list.blockSignals(False)

    # --- how ---

    def _section(self, title: str) -> Section:
        section = Section(self._theme, title, self._inside)
        self.sections.append(section)
        self._column.addWidget(section)
        self.list.addItem(title)
        return section

    def _choice(self, section: Section, title: str, about: str, choices: Mapping[object, str], name: str) -> Choice:
        box = Choice(self._theme, title, self._inside)
        for value, words in choices.items():
            box.addItem(words, value)
        values: Sequence[object] = list(choices)
        box.setCurrentIndex(values.index(getattr(self._settings, name)))
        box.activated.connect(lambda index: self._change(**{name: values[index]}))
        section.add(title, about, box)
        return box

    def _switch(self, section: Section, title: str, about: str, name: str) -> Switch:
        switch = Switch(self._theme, title, self._inside)
        switch.setAccessibleDescription(about)
        switch.setChecked(bool(getattr(self._settings, name)))
        switch.toggled.connect(lambda on: self._change(**{name: on}))
        section.add(title, about, switch)
        return switch

    def _button(self, words: str, pressed: Callable[[], object], name: str) -> QPushButton:
        button = QPushButton(words, self._inside)
        button.setAccessibleName(name)
        button.setAutoDefault(False)
        button.clicked.connect(lambda _checked=False: pressed())
        return button

    def _ask_for_folder(self, start: Path) -> Path | None:
        title = self.tr("Choose a folder for models")
        chosen = QFileDialog.getExistingDirectory(self, title, str(start))
        return Path(chosen) if chosen else None

    def _arrange(self) -> None:
        side = QVBoxLayout()
        side.setSpacing(0)
        side.addWidget(self.list, 1)
        right = QVBoxLayout()
        right.setSpacing(0)
        top = QHBoxLayout()
        top.setContentsMargins(3 * GRID, 2 * GRID, 3 * GRID, GRID)
        top.addWidget(self.search)
        right.addLayout(top)
        right.addWidget(self.area, 1)
        line = QHBoxLayout(self)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(0)
        line.addLayout(side)
        line.addLayout(right, 1)

    def _restyle(self) -> None:
        self._glass.setIcon(self._theme.icon("search", self._theme.colours.muted, 16))
        self.search.setFont(self._theme.body_font)
        self.list.setFont(self._theme.body_font)
        self._nothing.setFont(self._theme.body_font)

    def sizeHint(self) -> QSize:
        """Return a size in which two sections can be seen at once."""
        return QSize(820, 640)
