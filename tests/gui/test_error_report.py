"""Errors in the log say what and where, never what the user wrote."""

from __future__ import annotations

import logging
import sys
import threading
from pathlib import Path

import pytest

from app.error_report import describe, log_uncaught
from app.logging_setup import log_to, stop_logging_qt


def fail() -> None:
    try:
        raise KeyError("my secret diary")
    except KeyError as error:
        raise RuntimeError("cannot read 'my secret diary'") from error


def test_kind_and_place_without_the_message() -> None:
    with pytest.raises(RuntimeError) as caught:
        fail()
    report = describe(caught.value)
    assert report.startswith("RuntimeError")
    assert "caused by KeyError" in report
    assert "test_error_report.py" in report
    # The source line is shown, the value is not.
    assert "cannot read 'my secret diary'" not in report.replace('raise RuntimeError("cannot read', "")


def test_values_never_appear() -> None:
    secret = "".join(["s", "3", "cret"])
    with pytest.raises(ValueError, match=secret) as caught:
        int(secret)
    assert secret not in describe(caught.value)


def test_uncaught_errors_are_logged(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    log_uncaught()
    try:
        int("".join(["x", "yz"]))
    except ValueError as error:
        sys.excepthook(type(error), error, error.__traceback__)
    thread = threading.Thread(target=lambda: int("".join(["x", "yz"])))
    thread.start()
    thread.join()
    assert caplog.text.count("ValueError") == 2
    assert "xyz" not in caplog.text


@pytest.fixture
def clean_logging(monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    monkeypatch.setattr("app.logging_setup._report_crashes", lambda folder: None)
    yield
    stop_logging_qt()
    root.setLevel(level)
    for handler in root.handlers[:]:
        if handler not in before:
            root.removeHandler(handler)
            handler.close()


def test_the_log_goes_into_the_folder(tmp_path: Path, clean_logging: None) -> None:
    log_to(tmp_path / "logs")
    logging.getLogger("app.something").info("hello")
    assert "INFO app.something: hello" in (tmp_path / "logs" / "larimar.log").read_text(encoding="utf-8")


def test_a_log_folder_that_cannot_be_made_does_no_harm(tmp_path: Path, clean_logging: None) -> None:
    (tmp_path / "file").write_text("in the way")
    log_to(tmp_path / "file" / "logs")
    logging.getLogger("app.something").info("hello")
