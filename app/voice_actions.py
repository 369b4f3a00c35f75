"""Voice in the program: replies read aloud, and the conversation without hands, joined with the chat around them."""

from __future__ import annotations

import logging
from collections.abc import Callable

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QKeySequence, QShortcut

from app.background import Background
from app.chat.pane import ChatPane
from app.conversation import Message
from app.devices.speaker import Speaker
from app.global_keys import GlobalKeys
from app.hearing.listener import Listener, ListenerState, ListeningOptions
from app.settings import Settings
from app.voice.bar import VoiceBar
from app.voice.echo_canceller import echo_cancelled_device
from app.voice.hands_free import HandsFree, Phase
from app.voice.spoken_reply import SpokenReply

log = logging.getLogger(__name__)


class VoiceActions(QObject):
    """Between the voice, the chat, and the settings."""

    spoken_replies_changed = Signal(bool)
    """The user wants replies read aloud, or not."""

    def __init__(
        self,
        chat: ChatPane,
        bar: VoiceBar,
        speaker: Speaker,
        listener: Listener,
        keys: GlobalKeys,
        background: Background,
        settings: Settings,
        parent: QObject | None = None,
        *,
        find_device: Callable[[], str] = echo_cancelled_device,
    ) -> None:
        super().__init__(parent)
        self._chat = chat
        self._bar = bar
        self._speaker = speaker
        self._listener = listener
        self._background = background
        self._settings = settings
        self._find_device = find_device
        self._starting = False
        self.come_back: Callable[[], object] = lambda: None
        """Shows the window."""
        self.reply = SpokenReply(speaker, self)
        self.hands_free = HandsFree(listener, self.reply, _Talk(chat), self)
        self._escape = QShortcut(QKeySequence(Qt.Key.Key_Escape), chat.window())
        self._escape.setContext(Qt.ShortcutContext.ApplicationShortcut)
        self._escape.activated.connect(self.end)
        self._escape.setEnabled(False)
        chat.controller.reply_changed.connect(self._reply_changed)
        chat.controller.opened.connect(self._conversation_opened)
        chat.controller.busy_changed.connect(self.hands_free.ask_soon)
        chat.stopped.connect(self.reply.stop)
        chat.header.hands_free_button.clicked.connect(lambda _checked=False: self.toggle())
        chat.header.aloud_button.toggled.connect(self._aloud_toggled)
        self.hands_free.phase_changed.connect(self._phase_changed)
        self.hands_free.heard.connect(bar.show_heard)
        self.hands_free.advised.connect(bar.show_advice)
        self.hands_free.failed.connect(bar.show_problem)
        listener.level.connect(bar.wave.hear)
        bar.end_requested.connect(self.end)
        keys.add("hands-free", self.tr("Conversation without hands"), "Ctrl+Alt+H", self._pressed)
        chat.header.show_voice(available=speaker.available)
        self.apply(settings)

    def apply(self, settings: Settings) -> None:
        """Follow the settings."""
        if self._settings.spoken_replies and not settings.spoken_replies:
            self.reply.stop()
        self._settings = settings
        self._chat.header.show_aloud(settings.spoken_replies)

    def toggle(self) -> None:
        """Begin a conversation without hands, or end it."""
        if self.hands_free.active or self._starting:
            self.end()
        else:
            self.begin()

    def begin(self) -> None:
        """Begin a conversation without hands."""
        if not self._speaker.available:
            self._bar.show_problem(
                self.tr("This system has no voice. Install one (on Debian and Ubuntu: apt install speech-dispatcher).")
            )
            return
        self._starting = True
        self._speaker.prepare()
        self._background.run(self._find_device, self._found, lambda _: self._found(""))

    def end(self) -> None:
        """End it, whoever speaks."""
        self._starting = False
        self.hands_free.end()

    def give_way(self, state: ListenerState) -> None:
        """End when somebody else uses a microphone: dictation, or the microphone pane."""
        if state is ListenerState.RECORDING and self.hands_free.active:
            self.end()

    def close(self) -> None:
        """End everything and wait for the microphone to be closed."""
        self.end()
        self.reply.stop()
        self._listener.close()

    # --- how ---

    def _pressed(self) -> None:
        if not self.hands_free.active:
            self.come_back()
        self.toggle()

    def _found(self, device: str) -> None:
        if not self._starting:
            return
        self._starting = False
        options = ListeningOptions(
            language=self._settings.spoken_language, phrases=self._settings.phrases, device=device
        )
        self.reply.stop()
        if not self.hands_free.start(options, cancels_echo=bool(device)):
            self._bar.show_problem(self.tr("The microphone is still in use. Try again in a moment."))

    def _phase_changed(self, phase: Phase) -> None:
        active = phase is not Phase.OFF
        self._escape.setEnabled(active)
        self._chat.header.show_hands_free(active)
        self._bar.show_phase(phase)

    def _aloud_toggled(self, on: bool) -> None:
        if on != self._settings.spoken_replies:
            if on:
                self._speaker.prepare()
            elif not self.hands_free.active:
                self.reply.stop()
            self.spoken_replies_changed.emit(on)

    def _reply_changed(self, message: Message) -> None:
        if self.hands_free.active or self._settings.spoken_replies:
            self.reply.update(message.id, message.text, complete=not message.under_way)

    def _conversation_opened(self) -> None:
        if not self._chat.controller.busy:
            self.reply.stop()


class _Talk:
    """The chat, as the conversation without hands sees it."""

    def __init__(self, chat: ChatPane) -> None:
        self._chat = chat

    @property
    def busy(self) -> bool:
        return self._chat.controller.busy

    def ask(self, text: str) -> bool:
        before = self._chat.model.rowCount()
        self._chat.ask(text)
        return self._chat.model.rowCount() > before

    def stop(self) -> None:
        self._chat.controller.stop()
