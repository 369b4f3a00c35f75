"""The token for the Hub: in a keyring that protects it or nowhere, and sent with every request."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes.engine import FakeEngine
from fakes.hub_server import HubServer, serving, small_model
from fakes.keyring import FakeKeyring
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from app.application import Larimar
from app.hub_token import HubToken, HubTokenError
from inference.hub import DownloadError, Hub, download

MakeApp = Callable[..., Larimar]
TOKEN = "hf_0123456789abcdef"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    with serving(small_model()) as running:
        running.token = TOKEN
        yield running


def test_a_token_is_kept_read_and_removed() -> None:
    keyring = FakeKeyring()
    token = HubToken(keyring)
    assert token.read() is None
    token.delete()  # nothing to remove is no error
    token.write(f"  {TOKEN}\n")
    assert token.read() == TOKEN
    assert list(keyring.kept.values()) == [TOKEN]
    token.delete()
    assert keyring.kept == {}


@pytest.mark.parametrize("text", ["", " ", "hf_a b", "hf_ü"])
def test_what_is_no_token_is_refused(text: str) -> None:
    with pytest.raises(HubTokenError, match="no token"):
        HubToken(FakeKeyring()).write(text)


def test_a_locked_keyring_is_a_sentence() -> None:
    keyring = FakeKeyring()
    keyring.locked = True
    with pytest.raises(HubTokenError, match="Unlock it"):
        HubToken(keyring).write(TOKEN)
    with pytest.raises(HubTokenError, match="Unlock it"):
        HubToken(keyring).delete()
    assert HubToken(keyring).read() is None


def plain_backend(module: str) -> Any:
    return type("Keyring", (FakeKeyring,), {"__module__": module})()


@pytest.mark.parametrize("module", ["keyrings.alt.file", "keyring.backends.fail", "keyring.backends.null"])
@pytest.mark.parametrize("chained", [False, True])
def test_what_protects_nothing_is_not_used(module: str, chained: bool) -> None:
    backend = plain_backend(module)
    if chained:
        chain = FakeKeyring()
        chain.backends = [FakeKeyring(), backend]  # type: ignore[attr-defined]
        backend = chain
    with pytest.raises(HubTokenError, match="writes no token into a plain file"):
        HubToken(backend).write(TOKEN)
    assert backend.kept == {}
    assert HubToken(backend).read() is None


def test_downloads_bring_the_token_and_say_when_it_is_wanted(server: HubServer, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="put your token into the settings"):
        download(Hub(server.endpoint), "test/model", "_q4", tmp_path, "small")
    with pytest.raises(DownloadError, match="A mirror gets the token only where the settings say so"):
        download(Hub(server.endpoint, lambda: TOKEN), "test/model", "_q4", tmp_path, "small")
    hub = Hub(server.endpoint, lambda: TOKEN, token_mirror=server.endpoint)
    assert download(hub, "test/model", "_q4", tmp_path, "small").is_dir()


def test_the_mirror_of_the_environment_is_asked(
    server: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.token = None
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", server.endpoint)  # what HF_ENDPOINT sets at its import
    monkeypatch.setattr(
        "huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE",
        server.endpoint + "/{repo_id}/resolve/{revision}/{filename}",
    )
    assert download(Hub(), "test/model", "_q4", tmp_path, "small").is_dir()


def test_the_settings_keep_it_and_never_show_it(qtbot: QtBot, make_app: MakeApp) -> None:
    keyring = FakeKeyring()
    larimar = make_app(FakeEngine(), keyring=keyring)
    dialog = larimar.actions.open_settings()
    field = dialog.token
    qtbot.waitUntil(field.edit.isVisible)
    assert not field.save.isEnabled()
    qtbot.keyClicks(field.edit, TOKEN)
    assert field.edit.displayText() != TOKEN
    qtbot.mouseClick(field.save, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(field.remove.isVisible)
    assert field.edit.text() == ""
    assert list(keyring.kept.values()) == [TOKEN]
    keyring.locked = True
    qtbot.mouseClick(field.remove, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: "Unlock it" in dialog._token_row.said.text())
    keyring.locked = False
    qtbot.mouseClick(field.remove, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(field.edit.isVisible)
    assert keyring.kept == {}


def test_a_mirror_that_is_none_is_refused_and_a_good_one_is_used(qtbot: QtBot, make_app: MakeApp) -> None:
    larimar = make_app(FakeEngine())
    dialog = larimar.actions.open_settings()
    dialog.mirror.setText("mirror")
    dialog.mirror.editingFinished.emit()
    assert "no address" in dialog._mirror_row.said.text()
    assert larimar.settings.hub_mirror == ""
    dialog.mirror.setText("https://mirror.example/")
    dialog.mirror.editingFinished.emit()
    assert not dialog._mirror_row.said.text()
    assert larimar.settings.hub_mirror == "https://mirror.example"
    assert isinstance(larimar._hub, Hub)
    assert larimar._hub.endpoint == "https://mirror.example"


def test_a_mirror_gets_the_token_only_when_told_so(qtbot: QtBot, make_app: MakeApp) -> None:
    larimar = make_app(FakeEngine())
    hub = larimar._hub
    assert isinstance(hub, Hub)
    dialog = larimar.actions.open_settings()

    def name(mirror: str) -> None:
        dialog.mirror.setText(mirror)
        dialog.mirror.editingFinished.emit()

    assert not dialog.mirror_token.isEnabled()
    name("http://mirror.example")
    assert not dialog.mirror_token.isEnabled()
    name("https://mirror.example")
    assert dialog.mirror_token.isEnabled()
    assert not dialog.mirror_token.isChecked()
    assert not hub.takes_token("https://mirror.example/x")
    dialog.mirror_token.click()
    assert larimar.settings.hub_token_mirror == "https://mirror.example"
    assert hub.takes_token("https://mirror.example/x")
    name("https://other.example")
    assert not dialog.mirror_token.isChecked()
    assert not hub.takes_token("https://other.example/x")
    name("https://mirror.example")
    dialog.mirror_token.click()
    assert not hub.takes_token("https://mirror.example/x")
