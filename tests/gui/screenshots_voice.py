"""The screens of :mod:`gui.screenshots` in which Larimar speaks, converts and saves memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PySide6.QtWidgets import QWidget

from app.application import Larimar
from app.conversion_report import Stage
from app.models.checkpoints import CheckpointLook
from app.voice.hands_free import Phase

Wait = Callable[[Callable[[], bool]], None]


def shoot_voice(larimar: Larimar, folder: Path, variant: str, wait: Wait, frames: Callable[..., None]) -> None:
    """The conversation without hands, the conversion of a checkpoint, an export, and an unloaded model."""

    def save(name: str, widget: QWidget | None = None) -> None:
        frames()
        (widget or larimar.window).grab().save(str(folder / f"{name}-{variant}.png"))

    window, bar = larimar.window, larimar.window.voice_bar
    window.rail.choose(0)
    larimar.voice._phase_changed(Phase.LISTENING)
    for number in range(12):
        bar.wave.hear(float(np.abs(np.sin(0.9 * number))))
        frames(3)
    save("voice-listening")
    bar.show_phase(Phase.HEARING)
    bar.show_heard("How do I read a large file without filling the memory, and")
    bar.wave.hear(0.9)
    save("voice-hearing")
    bar.show_phase(Phase.SPEAKING)
    larimar.voice.hands_free._advise()
    larimar.voice.apply(larimar.settings)
    window.chat.header.aloud_button.setChecked(True)
    save("voice-speaking")
    bar.show_problem("The microphone was unplugged. Plug it in again, or choose another one.")
    window.resize(560, 700)
    save("voice-problem-narrow")
    window.resize(1080, 760)
    larimar.voice._phase_changed(Phase.OFF)
    window.chat.header.aloud_button.setChecked(False)

    window.history.progress.show_share("Exporting …", 0.42)
    save("exporting")
    window.history.progress.hide()

    window.show_models()
    wait(lambda: bool(window.models.catalogue_cards))
    card = window.models.conversion
    look = CheckpointLook(Path("/home/me/checkpoints/gemma-4-12B-it"), "gemma-4-12B-it", 24_100_000_000)
    card._offer(look)
    save("convert-offered")
    card._show_running()
    card._progressed(Stage("Writing the decoder", 0.37, "2.9 of 7.7 GB, about 6 min left"))
    save("convert-running")
    card._ask(
        "Converting needs PyTorch and transformers, which are not part of this program: 1 to 4 GB to download, and up "
        "to 8 GB of room in /home/me/.local/share/larimar/export-environment."
    )
    save("convert-asking")
    card._offer(CheckpointLook(look.path, "music", problem="/home/me/music holds no config.json."))
    save("convert-refused")
    card.hide()
    larimar.session.unload()
    save("unloaded")
    larimar.session.wake()
    window.rail.choose(0)
