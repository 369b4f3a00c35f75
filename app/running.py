"""Runs the window: one at a time, anew after everything was wiped."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

from PySide6.QtWidgets import QApplication

from app import engine_opening
from app.application import Larimar, Options
from app.devices.speaker import SystemSpeaker
from app.engine_opening import open_engine
from app.engine_process.launching import SPARE
from app.garbage import GuiThreadCollector
from app.hub_token import HubToken, HubTokenError
from app.logging_setup import close_logs, log_to, stop_logging_qt
from app.paths import Paths
from app.qt_application import QuitOnInterrupt, make_qapplication
from app.session import SessionState
from app.single_instance import SingleInstance, Wishes
from app.wipe import is_unfinished, wipe
from inference.network import NETWORK


def run(model: Path | None = None, data_dir: Path | None = None, wishes: Wishes | None = None) -> int:
    """Open the window and return the exit status when it is closed; if one is open already, hand it ``wishes``.

    ``model`` is the model folder for this run and ``data_dir`` the folder for every file of the program;
    ``None`` leaves either to the settings and the operating system.
    """
    options = Options(model, data_dir)
    wishes = wishes or Wishes()
    app = make_qapplication(sys.argv[:1])
    instance = SingleInstance(options.paths.config, app)
    if not instance.first():
        if instance.hand_over(wishes):
            print("Larimar is running already; its window was told.", file=sys.stderr)
            return 0
        print("Larimar is running already, but does not answer. End it, then start it again.", file=sys.stderr)
        return 1
    if wishes.quit:
        instance.close()
        print("Larimar is not running.", file=sys.stderr)
        return 0
    NETWORK.guard()
    garbage = GuiThreadCollector(app)
    if is_unfinished(options.paths):
        _wipe(options.paths)
        instance.close()
        instance = SingleInstance(options.paths.config, app)
        if not instance.first():
            return 0
    try:
        while True:
            log_to(options.paths.logs)
            status, wiped = _run_once(app, options, instance, wishes)
            stop_logging_qt()
            if not wiped:
                return status
            close_logs()
            instance.close()
            with contextlib.suppress(HubTokenError):
                HubToken().delete()
            _wipe(options.paths)
            wishes = Wishes()
            instance = SingleInstance(options.paths.config, app)
            if not instance.first():
                return 0
    finally:
        garbage.close()
        instance.close()


def _wipe(paths: Paths) -> None:
    for path in wipe(paths):
        print(f"{path} could not be deleted.", file=sys.stderr)


def _renew_spare(state: SessionState) -> None:
    if state is SessionState.UNLOADED:
        SPARE.renew()


def _run_once(app: QApplication, options: Options, instance: SingleInstance, wishes: Wishes) -> tuple[int, bool]:
    """Run until the window is closed; return the exit status, and whether everything is to be wiped."""
    if open_engine is engine_opening.open_engine:
        SPARE.begin()  # it imports what an engine needs while the window is being built
    larimar = Larimar(app, options, open_engine, speaker=SystemSpeaker(app))
    # Likewise when the model is gone: the next question is not to wait for imports.
    larimar.session.state_changed.connect(_renew_spare)
    wiping: list[bool] = []
    larimar.wipe_requested.connect(lambda: wiping.append(True))
    larimar.wipe_requested.connect(larimar.window.quit)
    instance.wished.connect(larimar.fulfil)
    with QuitOnInterrupt(app):
        larimar.start(minimised=bool(wishes.do))
        if wishes != Wishes():
            larimar.fulfil(wishes)
        status = app.exec()
    instance.wished.disconnect(larimar.fulfil)
    larimar.close()
    SPARE.close()
    larimar.window.deleteLater()
    larimar.deleteLater()
    return status, bool(wiping)
