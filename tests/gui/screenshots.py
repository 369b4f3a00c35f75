"""Renders every screen into a folder, to be looked at: ``python tests/gui/screenshots.py FOLDER [--model DIR]``.

Each run of this program shows one colour scheme and one scale, because Qt reads both at its start; without
``--one`` it starts itself once for each. With ``--model`` the real engine answers instead of a script.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget

    from app.application import Larimar

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

VARIANTS = (("light", "1", "ltr"), ("dark", "1", "ltr"), ("light", "2", "ltr"), ("dark", "1", "rtl"))
QUESTION = "How do I read a large CSV file in Python without filling the memory?"
THOUGHT = (
    "The user wants to read a large file piece by piece. The csv module is a good answer, since its reader is an "
    "iterator. I can show a short example and compare the ways in a table."
)
ANSWER = """Read it **row by row** instead of all at once. The `csv` module does that by itself:

```python
import csv

with open("measurements.csv", newline="", encoding="utf-8") as file:
    for row in csv.DictReader(file):
        if float(row["value"]) > 10:
            print(row["time"], row["value"])
```

### Which way when

| Way | Memory | Good for |
|-----|-------:|----------|
| `csv.DictReader` | a few kB | simple filters and sums |
| `pandas` with `chunksize` | a chunk | statistics by groups |
| DuckDB | as it needs | joins and large sorts |

A few hints:

1. Open the file with `newline=""`, so that line breaks inside quotes survive.
2. Convert only the columns that you need:
   - numbers with `float()`
   - dates with `datetime.fromisoformat()`
3. Write results as you go.

> If the file does not fit on the disk twice, do not copy it first.

The details are in the [documentation](https://docs.python.org/3/library/csv.html)."""


MATHS = """The roots of $ax^2 + bx + c = 0$ are

$$
x = \\frac{-b \\pm \\sqrt{b^2 - 4ac}}{2a}
$$

and the sum of the first $n$ numbers is $\\sum_{i=1}^{n} i = \\frac{n(n+1)}{2}$."""
SEEN = "It is a photograph of hills in the evening. The second picture shows a window with a table of squares."
HEBREW = "מה אפשר לראות בתמונה? Please answer in **Hebrew**."
HEBREW_ANSWER = """בתמונה רואים **גבעות בערב**, והשמש שוקעת מאחוריהן.

1. השמיים כחולים למעלה וכתומים למטה.
2. בחזית יש יער כהה.

> צבעים חמים.

```python
print("שלום")
```"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--only", default="", help="only the variant of this name, such as dark-1x-rtl")
    parser.add_argument("--one", action="store_true", help="only the scheme and scale of the environment")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    if options.one:
        return shoot(options.folder, options.model)
    for scheme, scale, direction in VARIANTS:
        variant = f"{scheme}-{scale}x-{direction}"
        if options.only not in ("", variant):
            continue
        environment = {
            **os.environ,
            "LARIMAR_COLOR_SCHEME": scheme,
            "QT_SCALE_FACTOR": scale,
            "LARIMAR_SHOTS_DIRECTION": direction,
        }
        if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
            environment.setdefault("QT_QPA_PLATFORM", "offscreen")
        subprocess.run([sys.executable, __file__, *sys.argv[1:], "--one"], env=environment, check=True)
    return 0


def shoot(folder: Path, model: Path | None) -> int:
    from fakes.engine import FakeEngine, missing
    from PySide6.QtCore import QEventLoop, Qt, QTimer

    from app.application import Larimar, Options
    from app.devices.speaker import Speaker
    from app.engine_opening import open_engine
    from app.history_store import Hit
    from app.qt_application import make_qapplication
    from app.session import SessionState
    from app.settings import Settings, SettingsStore
    from gui import sample_history, sample_media
    from gui.screenshots_microphone import shoot_microphone
    from gui.screenshots_voice import shoot_voice
    from inference.messages import Done, Prefill, ReplyStats, Text, Thought, ToolCall

    app = make_qapplication(["larimar"])
    direction = os.environ.get("LARIMAR_SHOTS_DIRECTION", "ltr")
    if direction == "rtl":
        app.setLayoutDirection(Qt.LayoutDirection.RightToLeft)
    scheme, scale = os.environ.get("LARIMAR_COLOR_SCHEME", "system"), os.environ.get("QT_SCALE_FACTOR", "1")
    language = os.environ.get("LARIMAR_SHOTS_LANGUAGE", "system")
    variant = f"{scheme}-{scale}x-{direction}" + (f"-{language}" if language != "system" else "")

    class Voice(Speaker):
        available = True

    def wait(condition: Callable[[], bool]) -> None:
        loop, timer = QEventLoop(), QTimer()
        timer.setInterval(10)
        timer.timeout.connect(lambda: condition() and loop.quit())
        timer.start()
        loop.exec()

    def frames(count: int = 6) -> None:
        left = [count]

        def passed() -> bool:
            left[0] -= 1
            return left[0] < 0

        wait(passed)

    def pieces(text: str) -> list[Text]:
        return [Text(text[start : start + 4]) for start in range(0, len(text), 4)]

    reading, thinking, incode, halfway = (threading.Event() for _ in range(4))
    cut, code = ANSWER.index("### Which"), ANSWER.index("        if float")
    stats = ReplyStats(250, 120, 312, 0.42, 8.6, 280, 218, context_length=8192)
    script = [
        *(Prefill(done, 250) for done in (0, 50, 100)),
        reading,
        Prefill(250, 250),
        Thought(THOUGHT),
        thinking,
        *pieces(ANSWER[:code]),
        incode,
        *pieces(ANSWER[code:cut]),
        halfway,
        *pieces(ANSWER[cut:]),
        Done("stop", stats),
    ]
    seen = [*pieces(HEBREW_ANSWER if direction == "rtl" else SEEN), Done("stop", stats)]
    tool = [
        Text("I will look at the clock."),
        ToolCall("current_time", {"zone": "Europe/Berlin", "format": "24h"}),
        Text("It is half past nine in Berlin."),
        Done("stop", stats),
    ]

    with tempfile.TemporaryDirectory() as data:

        def start(name: str, factory: Callable[..., object], model: Path | None = None) -> Larimar:
            options = Options(model, Path(data, name))
            store = SettingsStore(options.paths.config / "settings.ini")
            store.save(Settings(language=language))  # type: ignore[arg-type]
            store.close()
            larimar = Larimar(app, options, factory, speaker=Voice())  # type: ignore[arg-type]
            larimar.window.resize(1080, 760)
            larimar.start()
            return larimar

        def save(larimar: Larimar, name: str) -> None:
            frames()
            larimar.window.grab().save(str(folder / f"{name}-{variant}.png"))

        def close(larimar: Larimar) -> None:
            larimar.window.close()
            larimar.close()

        if model is not None:
            larimar = start("real", open_engine, model)
            wait(lambda: larimar.session.state is not SessionState.LOADING)
            save(larimar, "real-empty")
            for number, button in enumerate(list(larimar.window.chat.greeting.buttons)):
                larimar.window.chat.ask(button.text())
                wait(lambda: larimar.session.state is not SessionState.GENERATING)
                save(larimar, f"real-answer-{number}")
            close(larimar)
            return 0

        if os.environ.get("LARIMAR_SHOTS_ONLY") in (None, "", "eyes"):
            from gui.screenshots_eyes import eyes_engine, shoot_eyes

            eyes = eyes_engine()
            larimar = start("eyes", lambda path: eyes)
            wait(lambda: larimar.session.state is SessionState.READY)
            shoot_eyes(larimar, folder, variant, wait, frames)
            close(larimar)
            if os.environ.get("LARIMAR_SHOTS_ONLY") == "eyes":
                return 0
        everything = frozenset({"image", "audio", "video"})
        scripts = [script, script, [*pieces(MATHS), Done("stop", stats)], tool, seen]
        engine = FakeEngine(scripts, name="Larimar demo", modalities=everything)
        larimar = start("fake", lambda path: engine)
        if os.environ.get("LARIMAR_SHOTS_ONLY") in ("desk", "voice", "microphone"):
            wait(lambda: larimar.session.state is SessionState.READY)
            if os.environ["LARIMAR_SHOTS_ONLY"] == "microphone":
                shoot_microphone(larimar, folder, variant, frames)
                close(larimar)
                return 0
            if os.environ["LARIMAR_SHOTS_ONLY"] == "voice":
                shoot_voice(larimar, folder, variant, wait, frames)
                close(larimar)
                return 0
            shoot_desk(larimar, folder, variant, wait, frames)
            save(larimar, "empty")
            close(larimar)
            return 0
        wait(lambda: larimar.session.state is SessionState.READY)
        save(larimar, "empty")
        chat = larimar.window.chat

        def done() -> bool:
            return larimar.session.state is SessionState.READY and not chat.controller.busy

        chat.ask(QUESTION)
        wait(lambda: chat.model.shown[-1].prefill == (100, 250))
        save(larimar, "reading")
        reading.set()
        wait(lambda: bool(chat.model.messages[-1].thought))
        chat.view.toggle_thought(1)
        save(larimar, "thinking")
        chat.view.toggle_thought(1)
        thinking.set()
        wait(lambda: len(chat.model.messages[-1].text) >= code)
        frames(30)
        save(larimar, "streaming-code")
        incode.set()
        wait(lambda: len(chat.model.messages[-1].text) >= cut)
        frames(20)
        save(larimar, "streaming")
        halfway.set()
        wait(done)
        chat.view.regenerate_requested.emit(chat.model.messages[-1].id)
        wait(done)
        chat.view.toggle_thought(1)
        chat.view.jump_to_latest()
        chat.composer.edit.setPlainText("And with gzip?\nThe file is compressed.")
        frames(20)
        save(larimar, "finished-end")
        chat.view.verticalScrollBar().setValue(0)
        chat.view._hover(chat.view.visualRect(chat.model.index(0)).center())
        save(larimar, "finished-top")
        chat.composer.edit.clear()
        for question in ("How do I solve a quadratic equation?", "What time is it in Berlin?"):
            chat.ask(question)
            wait(done)
        frames(20)
        save(larimar, "maths-and-tools")
        chat.view.edit_requested.emit(chat.model.messages[-2].id)
        save(larimar, "editing")
        chat.composer.clear()
        files = [
            sample_media.photograph(Path(data, "evening.jpg")),
            sample_media.screenshot(Path(data, "squares.png")),
            sample_media.recording(Path(data, "voice note.wav")),
            sample_media.video(Path(data, "ball.mp4")),
            sample_media.pdf(Path(data, "report.pdf"), 1),
        ]
        chat.composer.add_files(files)
        wait(lambda: len(chat.attachments.items) == 5 and not chat.attachments.pending)
        chat.composer.edit.setPlainText(HEBREW if direction == "rtl" else "What do these show?")
        save(larimar, "attachments")
        chat.composer.add_files([sample_media.broken_picture(Path(data, "broken.png"))])
        wait(lambda: chat.composer.refusal.isVisible())
        save(larimar, "refused")
        chat._submit()
        wait(done)
        frames(20)
        chat.view.jump_to_latest()
        save(larimar, "asked-with-media")
        chat._drop_hint.cover()
        save(larimar, "dropping")
        chat._drop_hint.hide()
        from app.chat.system_prompt_dialog import SystemPromptDialog

        dialog = SystemPromptDialog("", larimar.theme, larimar.window)
        dialog.preset.menu().actions()[1].trigger()
        dialog.show()
        frames()
        dialog.grab().save(str(folder / f"system-prompt-{variant}.png"))
        dialog.close()
        larimar.window.resize(520, 700)
        save(larimar, "narrow")
        larimar.window.resize(1080, 760)
        made = sample_history.fill(larimar.conversations)
        pane = larimar.window.history
        larimar.history.open(made[2].id)
        wait(lambda: chat.controller.conversation.id == made[2].id)
        larimar.history.refresh()
        wait(lambda: pane.model.row_of(made[7].id) >= 0)
        pane.list.edit(pane.model.index(pane.model.row_of(made[0].id)))
        save(larimar, "history-renaming")
        larimar.history.delete(made[5].id)
        wait(lambda: pane.model.row_of(made[5].id) < 0)
        save(larimar, "history-deleted")
        larimar.history.undo()
        pane.search.setText("harb")
        wait(lambda: bool(pane.model.rows) and isinstance(pane.model.rows[0], Hit))
        pane.list.setFocus(Qt.FocusReason.TabFocusReason)
        save(larimar, "history-search")
        pane.search.setText("no such words")
        wait(lambda: not pane.model.rows)
        save(larimar, "history-nothing-found")
        pane.search.clear()
        pane.say("“letter.zip” is damaged, or no archive of Larimar. Nothing was imported.", alarming=True)
        save(larimar, "history-failure")
        pane.message.hide()
        shoot_microphone(larimar, folder, variant, frames)
        shoot_desk(larimar, folder, variant, wait, frames)
        shoot_voice(larimar, folder, variant, wait, frames)
        close(larimar)

        larimar = start("error", missing, Path("/home/me/models/gemma-4"))
        wait(lambda: larimar.session.state is SessionState.FAILED)
        save(larimar, "error")
        close(larimar)
    return 0


def shoot_desk(
    larimar: Larimar,
    folder: Path,
    variant: str,
    wait: Callable[[Callable[[], bool]], None],
    frames: Callable[..., None],
) -> None:
    """The models page, the settings, the log, and what is said about the program."""
    from fakes.hub_server import small_model, write
    from PySide6.QtWidgets import QDialog

    from inference.hub import Progress

    def save(widget: QWidget, name: str) -> None:
        frames()
        widget.grab().save(str(folder / f"{name}-{variant}.png"))

    paths = larimar._options.paths
    write(small_model(2_000_000), paths.models / "gemma-4-E4B-it-q4")
    broken = write(small_model(), paths.data / "elsewhere" / "Gemma 4 12B of mine")
    (broken / "onnx" / "embed_tokens_q4.onnx").unlink()
    larimar._folder_added(broken)
    pane = larimar.window.models
    pane.free_memory = lambda: 7_200_000_000
    larimar.window.show_models()
    wait(lambda: bool(pane.catalogue_cards))
    pane.catalogue_cards["gemma-4-E2B-it-q4"].show_progress(Progress(1_400_000_000, 4_012_000_000), 21_300_000)
    save(larimar.window, "models")
    ours = next(card for card in pane.installed_cards if card.model.origin == "ours")
    ours.remove.click()
    pane.catalogue_cards["gemma-4-E2B-it-q4"].show_stopped(1_400_000_000)
    pane.catalogue_cards["gemma-4-12B-it"].download.click()
    save(larimar.window, "models-asking")
    pane.verticalScrollBar().setValue(pane.verticalScrollBar().maximum())
    save(larimar.window, "models-end")
    larimar.window.resize(560, 700)
    save(larimar.window, "models-narrow")
    larimar.window.resize(1080, 760)
    dialog = larimar.actions.open_settings()
    save(dialog, "settings")
    dialog.list.setCurrentRow(2)
    dialog.wipe_button.click()
    save(dialog, "settings-privacy")
    dialog.wipe_confirm.no.click()
    dialog.list.setCurrentRow(3)
    dialog.shortcut_rows.fields["new_chat"].chosen.emit("Ctrl+T")
    save(dialog, "settings-keys")
    dialog.search.setText("offline")
    save(dialog, "settings-search")
    dialog.close()
    dialogs: list[tuple[str, QDialog]] = [("log", larimar.actions.open_log()), ("about", larimar.actions.open_about())]
    for name, dialog in dialogs:
        frames(20)
        save(dialog, name)
        dialog.close()
    larimar.window.rail.choose(0)


if __name__ == "__main__":
    sys.exit(main())
