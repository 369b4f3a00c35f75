"""The composition root: builds everything, connects it, and takes it down again in order."""

from __future__ import annotations

import gc
import logging
import os
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from PySide6.QtCore import QCoreApplication, QObject, QTimer, Signal
from PySide6.QtWidgets import QApplication, QFileDialog

from app.background import Background
from app.devices.hotkeys import Hotkeys, make_hotkeys
from app.devices.speaker import Speaker
from app.devices.text_inserter import TextInserter, make_text_inserter
from app.dictation.machine import State
from app.dictation_actions import DictationActions
from app.engine_opening import with_settings
from app.engine_worker import EngineFactory
from app.forgotten_prefixes import forget_prefixes, prefixes_are_forgotten
from app.global_keys import GlobalKeys
from app.hearing.listener import Listener, ListeningOptions
from app.history_actions import HistoryActions
from app.history_store import HistoryStore
from app.hub_token import HubToken
from app.idle_unload import IdleUnload
from app.live_senses import LiveSenses
from app.models.conversions import Conversions
from app.models.downloads import Downloads
from app.paths import Paths, home_folder
from app.private_files import restrict_below
from app.qt_application import APP_ID, Application
from app.screen.questions import ScreenQuestions
from app.screen_actions import ScreenActions
from app.session import Session, SessionState
from app.settings import ColourScheme, Settings, SettingsStore
from app.settings_actions import SettingsActions
from app.single_instance import Wishes
from app.storage import unkept
from app.store.sqlite_store import SqliteStore
from app.theme import Theme
from app.transfer_actions import TransferActions
from app.translation import speak
from app.voice.echo_canceller import voice_source
from app.voice_actions import VoiceActions
from app.widgets.live_indicator import live_words
from app.window import MainWindow
from inference.hub import Hub, Source
from inference.messages import Turn

log = logging.getLogger(__name__)

_WARM_AFTER = 3000
"""Milliseconds from the start until a child process is made ready for the first file; it has a core for itself then."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says about the window."""

    model: Path | None = None
    """The model folder for this run; ``None`` is the one of the settings, or the default one."""
    data_dir: Path | None = None
    """Where every file of the program goes; ``None`` leaves that to the operating system."""

    @property
    def paths(self) -> Paths:
        """The folders that follow from the options."""
        return Paths.under(self.data_dir) if self.data_dir else Paths.of_user()


class Larimar(QObject):
    """The running program, without the event loop."""

    wipe_requested = Signal()
    """The user wants everything deleted that the program has kept; it must be closed for that."""

    _settings_unwritten = Signal()

    def __init__(
        self,
        app: QApplication,
        options: Options,
        factory: EngineFactory,
        *,
        choose_folder: Callable[[Path | None], Path | None] | None = None,
        speaker: Speaker | None = None,
        hub: Source | None = None,
        keyring: object | None = None,
        voice_listener: Listener | None = None,
        hotkeys: Hotkeys | None = None,
        inserter: TextInserter | None = None,
        listener: Listener | None = None,
    ) -> None:
        super().__init__(app)
        self._options = options
        self._choose_folder = choose_folder or self._ask_for_folder
        self._store = SettingsStore(options.paths.settings, self._settings_unwritten.emit)
        self.settings = self._store.load()
        self._translators = speak(app, self.settings.language)
        self.theme = Theme(app, self.settings.colour_scheme)
        self._closed = False
        self._started = time.time()
        self._spared = False
        self._forgets_at_end = False
        self._first_question = ""
        self.session = Session(with_settings(factory, lambda: self.settings, options.paths.prefixes), self)
        self.background = Background(self)
        self.conversations: HistoryStore = SqliteStore(options.paths.data)
        self.speaker = speaker or Speaker(self)
        self.token = HubToken(keyring)
        self._hub = hub or Hub(self.settings.hub_mirror or None, self.token.read, self.settings.hub_token_mirror)
        self.downloads = Downloads(self._hub, self)
        self.conversions = Conversions(self)
        self.senses = LiveSenses(self)
        self.window = MainWindow(
            self.session,
            self.theme,
            self.conversations,
            self.background,
            self.downloads,
            self.conversions,
            self.speaker,
            self.senses,
        )
        self.history = HistoryActions(self.window.history, self.window.chat, self.conversations, self.background, self)
        self.history.opened.connect(self._conversation_opened)
        self.history.deleted.connect(self._forget_prefixes)
        self.transfer = TransferActions(
            self.window.history, self.conversations, self.background, self, options.paths.imports
        )
        self.transfer.imported = self.history.refresh
        self.history.open_at_start(self.settings.conversation)
        self.window.restore(self.settings.window_geometry)
        self.hotkeys = hotkeys
        self.global_keys = GlobalKeys(hotkeys, self.settings.global_keys, self)
        self.global_keys.add("show", self.tr("Show Larimar"), "Ctrl+Alt+G", self.window.come_back)
        self.actions = SettingsActions(
            self.settings,
            self.window,
            self.theme,
            options.paths,
            self.background,
            self,
            global_keys=self.global_keys,
            token=self.token,
        )

        self.listener = listener or Listener(self.session, self.senses, self)
        self.dictation = DictationActions(
            self.listener,
            inserter or make_text_inserter(APP_ID, self),
            self.global_keys,
            self.theme,
            self.settings,
            self,
        )
        self.screen = ScreenQuestions(self.session, self.theme, self.background, self.senses, APP_ID, self)
        self.screen_actions = ScreenActions(self.screen, self.window, self.actions.tray, self.global_keys, self)
        self.screen.continue_requested.connect(self._continue_in_chat)
        self.deeds: dict[str, Callable[[], object]] = {"ask-screen": self.screen.ask}
        """What other starts may ask for beside dictation; see :data:`~app.single_instance.Deed`."""
        self.idle_unload = IdleUnload(self.session, self.settings.unload_after, self, senses=self.senses)
        self.session.state_changed.connect(self._spare_the_collector)
        self.session.state_changed.connect(lambda _: self._ask_first_question())
        self.window.chat.controller.busy_changed.connect(self._ask_first_question)
        self.window.closing.connect(self.close)
        self.window.chat.composer.thinking_changed.connect(self._thinking_changed)
        self.window.chat.choose_model_requested.connect(self.choose_model)
        self.window.status.choose_model_requested.connect(self.choose_model)
        self.window.menu.choose_model_requested.connect(self.choose_model)
        self.window.menu.colour_scheme_chosen.connect(self._colour_scheme_chosen)
        self.window.models.load_requested.connect(self._load_chosen)
        self.window.models.folder_added.connect(self._folder_added)
        self.window.models.folder_dropped.connect(self._folder_dropped)
        self.window.models.choose_folder = lambda: self._choose_folder(None)
        self.window.models.choose_checkpoint = self._ask_for_checkpoint
        self.actions.changed.connect(self._settings_changed)
        self._settings_unwritten.connect(self._say_what_is_unkept_now)
        self.actions.wipe_requested.connect(self.wipe_requested)
        self.voice = VoiceActions(
            self.window.chat,
            self.window.voice_bar,
            self.speaker,
            voice_listener or Listener(self.session, self.senses, self, source=voice_source),
            self.global_keys,
            self.background,
            self.settings,
            self,
        )
        self.voice.come_back = self._show_chat
        self.voice.spoken_replies_changed.connect(self._spoken_replies_changed)
        self.listener.state_changed.connect(self.voice.give_way)
        self.actions.tray.show_requested.connect(self.window.come_back)
        self.actions.tray.new_chat_requested.connect(lambda: self.fulfil(Wishes(new_chat=True)))
        self.actions.tray.quit_requested.connect(self.window.quit)
        app.commitDataRequest.connect(lambda _: self.window.about_to_quit())  # the session of the desktop ends
        if isinstance(app, Application):
            app.quitting.connect(self.window.about_to_quit)
        for asks in (self.actions.tray, self.window.menu):
            asks.dictation_requested.connect(self.dictation.coordinator.toggle)
            asks.paste_requested.connect(self.dictation.coordinator.paste_last)
        self.dictation.coordinator.state_changed.connect(
            lambda state: self.actions.tray.show_dictating(state is State.RECORDING)
        )
        self.session.state_changed.connect(lambda _: self._tell_dictation())
        self.dictation.notify = self.actions.tray.say
        self.dictation.tip_changed.connect(self.window.chat.greeting.show_tip)
        self.window.chat.greeting.show_tip(self.dictation.tip)
        self.actions.tray.stop_senses_requested.connect(self.senses.stop_all)
        self.window.webcam.continue_requested.connect(self._continue_in_chat)
        self._show_listening()
        self.window.microphone.options_changed.connect(self._listening_changed)
        self.window.microphone.send_requested.connect(self._write_in_chat)
        self.senses.changed.connect(lambda: self.actions.tray.show_live(live_words(self.senses.live)))

    def start(self, *, minimised: bool = False) -> None:
        """Show the window, or only its entry among the open ones; then load the model behind it."""
        if minimised:
            self.window.showMinimized()
        else:
            self.window.show()
        log.debug("The window is shown")
        if self.hotkeys is None:
            QTimer.singleShot(0, self, self._hear_keys)
        folder = self._options.model
        if folder is None and not os.environ.get("LARIMAR_MODEL"):  # which the default model folder obeys
            folder = self.settings.model_folder
        self.session.load(folder)
        self.actions.start()
        self.window.storage_notice.say(self._store.notice())
        self.background.run(self._look_after_files, self._say_unkept)
        QTimer.singleShot(_WARM_AFTER, self, self._expect_files)

    def _look_after_files(self) -> str:
        """Close our files to others, and return what to say if the disk keeps nothing. On a background thread."""
        paths = self._options.paths
        words = unkept(paths).words
        for folder in (paths.config, paths.data, paths.logs, paths.cache):
            restrict_below(folder, leaving=(paths.models,))  # weights are no secret, and may be shared on purpose
        if prefixes_are_forgotten(paths):  # and the program was killed before its end
            forget_prefixes(paths, at_end=True)
        for left in paths.imports.glob("*"):  # by one that was killed
            if left.lstat().st_mtime < self._started:
                shutil.rmtree(left, ignore_errors=True)
        return words

    def _say_what_is_unkept_now(self) -> None:
        """Look again: the disk took what there was to keep when the program started."""
        if not self._closed:
            paths = self._options.paths
            self.background.run(lambda: unkept(paths).words, self.window.storage_notice.say)

    def _say_unkept(self, words: str) -> None:
        """Say what the disk does not keep, or else why the conversations that are there cannot be used."""
        if words:
            self.window.storage_notice.say(words)
            hide = lambda _: self.window.history.show_problem("")  # noqa: E731 — it is said above, in all words
            self.background.when_done(self.conversations.ready(), lambda _: None, hide)
        else:
            say = lambda error: self.window.storage_notice.say(str(error))  # noqa: E731
            self.background.when_done(self.conversations.ready(), lambda _: None, say)

    def fulfil(self, wishes: Wishes) -> None:
        """Do what a start of the program wants; a question waits for the model."""
        if wishes.quit:
            self.window.quit()
            return
        if wishes.do:
            if not self.dictation.do(wishes.do):
                self.deeds.get(wishes.do, self.window.come_back)()
            return
        self.window.come_back()
        if wishes.new_chat or wishes.ask:
            self.window.new_chat()
        if wishes.ask:
            self.window.chat.controller.stop()
            self._first_question = wishes.ask
            self._ask_first_question()

    def _continue_in_chat(self, turns: Sequence[Turn]) -> None:
        """Go on in the chat with what was said about the camera or the screen."""
        self.window.come_back()
        self.window.rail.choose(0)
        self.window.chat.continue_with(turns)
        self.history.refresh()

    def _write_in_chat(self, text: str) -> None:
        """Put what was said into the question that is being written."""
        self.window.rail.choose(0)
        self.window.chat.composer.type(text.strip())

    def _show_listening(self) -> None:
        chosen = self.settings
        self.window.microphone.set_options(
            ListeningOptions(chosen.spoken_language, chosen.translate_to, chosen.phrases, chosen.microphone)
        )

    def _listening_changed(self, options: ListeningOptions) -> None:
        changed = replace(
            self.settings,
            spoken_language=options.language,
            translate_to=options.translate_to,
            phrases=options.phrases,
            microphone=options.device,
        )
        self._change(changed)
        self.dictation.apply(changed)

    def _hear_keys(self) -> None:
        if not self._closed:
            self.hotkeys = make_hotkeys(APP_ID, self)
            self.global_keys.begin(self.hotkeys)

    def _expect_files(self) -> None:
        if not self._closed:
            self.window.chat.attachments.expect()

    def _tell_dictation(self) -> None:
        model = self.session.model
        if model is not None:
            self.dictation.set_hears("audio" in model.modalities)

    def _ask_first_question(self) -> None:
        if self._first_question and self.session.takes_questions and not self.window.chat.controller.busy:
            question, self._first_question = self._first_question, ""
            self.window.chat.ask(question)

    def choose_model(self) -> None:
        """Let the user pick a model folder and load it."""
        folder = self._choose_folder(self.session.path)
        if folder is not None:
            self._load_chosen(folder)

    def _load_chosen(self, folder: Path | None) -> None:
        self._change(replace(self.settings, model_folder=folder))
        self.session.load(folder)

    def close(self) -> None:
        """Stop the engine, write the settings, and leave no thread behind."""
        if self._closed:
            return
        self._closed = True
        self.senses.stop_all()
        self.window.webcam.shut_down()
        self.screen.close()
        self.window.microphone.shut_down()
        self.actions.close()
        self.voice.close()
        self.dictation.close()
        self.listener.close()
        if self.hotkeys is not None:
            self.hotkeys.close()
        self.downloads.close()
        self.conversions.close()
        self._change(replace(self.settings, window_geometry=self.window.geometry_to_keep()))
        self.speaker.close()
        self.session.close()
        self.background.close()
        if self._forgets_at_end:  # the engine keeps what it holds when it is closed
            forget_prefixes(self._options.paths, at_end=True)
        self.conversations.close()
        self._store.close()
        for translator in self._translators:
            QCoreApplication.removeTranslator(translator)

    def _spare_the_collector(self, state: SessionState) -> None:
        """Let Python's garbage collector no longer look through what the start and the model brought.

        That is most of all objects; to look through them takes longer than a frame, in the middle of a reply. What
        belonged to a model that is unloaded must be looked through once more, or some of it would stay.
        """
        if state is SessionState.UNLOADED:
            gc.unfreeze()
            self._spared = False
        elif state is SessionState.READY and not self._spared:
            gc.freeze()
            self._spared = True

    def _change(self, settings: Settings) -> None:
        self.settings = settings
        self.actions.keep_up(settings)
        self._store.save(settings)

    def _settings_changed(self, settings: Settings) -> None:
        forgets = self.settings.remember_state and not settings.remember_state
        if settings.unload_after != self.settings.unload_after:
            self.idle_unload.set_minutes(settings.unload_after)
        if isinstance(self._hub, Hub):
            self._hub.endpoint = settings.hub_mirror or None
            self._hub.token_mirror = settings.hub_token_mirror
        self._change(settings)
        self.dictation.apply(settings)
        self.voice.apply(settings)
        self._show_listening()
        if forgets:
            self._forget_prefixes()

    def _forget_prefixes(self) -> None:
        """Remove what the engine kept of conversations, now and when it has ended: it tells what was said."""
        self._forgets_at_end = True
        paths = self._options.paths
        self.background.run(lambda: forget_prefixes(paths), lambda _: None)

    def _folder_added(self, folder: Path) -> None:
        if folder not in self.settings.added_models:
            self._change(replace(self.settings, added_models=(*self.settings.added_models, folder)))
            self._show_folders()

    def _folder_dropped(self, folder: Path) -> None:
        left = tuple(path for path in self.settings.added_models if path != folder)
        self._change(replace(self.settings, added_models=left))
        self._show_folders()

    def _show_folders(self) -> None:
        ours = self.settings.models_folder or self._options.paths.models
        self.window.models.set_folders(ours, self.settings.added_models)

    def _conversation_opened(self, conversation_id: str) -> None:
        if not self._closed:
            self._change(replace(self.settings, conversation=conversation_id))

    def _show_chat(self) -> None:
        self.window.come_back()
        self.window.rail.choose(0)

    def _spoken_replies_changed(self, aloud: bool) -> None:
        self._change(replace(self.settings, spoken_replies=aloud))
        self.voice.apply(self.settings)

    def _thinking_changed(self, thinking: bool) -> None:
        self._change(replace(self.settings, thinking=thinking))

    def _colour_scheme_chosen(self, scheme: ColourScheme) -> None:
        self.theme.wish(scheme)
        self._change(replace(self.settings, colour_scheme=scheme))

    def _ask_for_folder(self, start: Path | None) -> Path | None:
        title = self.tr("Choose a model folder")
        chosen = QFileDialog.getExistingDirectory(self.window, title, str(start or home_folder()))
        return Path(chosen) if chosen else None

    def _ask_for_checkpoint(self) -> Path | None:
        title = self.tr("Choose the folder of a checkpoint")
        chosen = QFileDialog.getExistingDirectory(self.window, title, str(home_folder()))
        return Path(chosen) if chosen else None
