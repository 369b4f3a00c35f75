"""Downloading a model: whole and checked or not at all, and on from where it stopped."""

from __future__ import annotations

import errno
import os
import shutil
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes.hub_server import HubServer, serving, small_model

from inference.cancellation import CancelToken
from inference.catalogue import load_catalogue
from inference.errors import DiskSpaceError, ModelFolderError
from inference.hub import (
    PARTIAL,
    DownloadCancelledError,
    DownloadError,
    Hub,
    Progress,
    download,
    forget_partial,
    partial_bytes,
)
from inference.model_folder import ModelFolder
from inference.network import NETWORK, OfflineError

WEIGHTS = "onnx/decoder_model_merged_q4.onnx_data"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    with serving(small_model()) as running:
        yield running


def fetch(server: HubServer, folder: Path, **options: object) -> Path:
    return download(Hub(server.endpoint), "test/model", "_q4", folder, "small", **options)  # type: ignore[arg-type]


def test_a_whole_folder_arrives_with_progress(server: HubServer, tmp_path: Path) -> None:
    said: list[Progress] = []
    path = fetch(server, tmp_path, progress=said.append)
    assert path == tmp_path / "small"
    arrived = {str(file.relative_to(path).as_posix()) for file in path.rglob("*") if file.is_file()}
    assert arrived == {*server.files, "download.json"} - {".gitattributes", "onnx/decoder_model_merged_fp16.onnx"}
    assert all((path / name).read_bytes() == server.files[name] for name in arrived - {"download.json"})
    assert ModelFolder.open(path).modalities == {"image", "video"}
    assert said[0] == Progress(0, 0)
    assert said[-1].done == said[-1].total == sum(len(server.files[name]) for name in arrived - {"download.json"})
    assert any(each.verifying for each in said)
    assert not (tmp_path / PARTIAL).exists()


def test_a_broken_connection_goes_on_where_it_stopped(server: HubServer, tmp_path: Path) -> None:
    server.break_at[WEIGHTS] = 300_000
    with pytest.raises(DownloadError, match="kept"):
        fetch(server, tmp_path)
    assert not (tmp_path / "small").exists()
    kept = partial_bytes(tmp_path, "small")
    assert kept > 0
    asked = len(server.asked)
    said: list[Progress] = []
    path = fetch(server, tmp_path, progress=said.append)
    assert (path / WEIGHTS).read_bytes() == server.files[WEIGHTS]
    assert 200_000 < said[-1].kept < said[-1].done
    again = server.asked[asked:]
    assert again[0][0] == WEIGHTS  # what was whole is not asked for again
    assert again[0][1].startswith("bytes=")
    assert int(again[0][1].removeprefix("bytes=").rstrip("-")) > 200_000


def test_stopping_keeps_what_has_arrived(server: HubServer, tmp_path: Path) -> None:
    cancel = CancelToken()

    def watch(progress: Progress) -> None:
        if progress.done > 270_000:
            cancel.cancel()

    with pytest.raises(DownloadCancelledError):
        fetch(server, tmp_path, progress=watch, cancel=cancel)
    assert not (tmp_path / "small").exists()
    assert partial_bytes(tmp_path, "small") > 200_000
    forget_partial(tmp_path, "small")
    assert not (tmp_path / PARTIAL).exists()


@pytest.mark.parametrize("name", [WEIGHTS, "config.json"])
def test_what_arrives_damaged_is_thrown_away_and_said(server: HubServer, tmp_path: Path, name: str) -> None:
    server.damage.add(name)
    with pytest.raises(DownloadError, match="check sum"):
        fetch(server, tmp_path)
    assert not (tmp_path / "small").exists()
    assert (fetch(server, tmp_path) / name).read_bytes() == server.files[name]


def test_a_file_that_changed_meanwhile_is_fetched_anew(server: HubServer, tmp_path: Path) -> None:
    server.break_at[WEIGHTS] = 300_000
    with pytest.raises(DownloadError):
        fetch(server, tmp_path)
    server.files[WEIGHTS] = b"other" * 50_000
    server.files["config.json"] += b" "
    path = fetch(server, tmp_path)
    assert (path / WEIGHTS).read_bytes() == server.files[WEIGHTS]
    assert (path / "config.json").read_bytes() == server.files["config.json"]


def test_too_little_room_is_said_before_anything_is_fetched(
    server: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 9 * 10**8, 10**8))
    with pytest.raises(DiskSpaceError, match=r"0\.1 GB free"):
        fetch(server, tmp_path)
    assert server.asked == []


def test_a_disk_that_fills_up_meanwhile(server: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr("inference.hub.os.fsync", full)
        with pytest.raises(DiskSpaceError, match="full"):
            fetch(server, tmp_path)
    assert not (tmp_path / "small").exists()
    assert partial_bytes(tmp_path, "small") > 0
    assert fetch(server, tmp_path).is_dir()


def test_what_is_no_model_is_not_published(server: HubServer, tmp_path: Path) -> None:
    server.files["config.json"] = b'{"model_type": "gem'
    with pytest.raises(ModelFolderError):
        fetch(server, tmp_path)
    assert not (tmp_path / "small").exists()
    del server.files["onnx/embed_tokens_q4.onnx"]
    with pytest.raises(DownloadError, match="embed_tokens_q4"):
        fetch(server, tmp_path)


def test_a_hub_that_is_not_there_and_a_repository_that_is_not(server: HubServer, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"no test/none"):
        download(Hub(server.endpoint), "test/none", "_q4", tmp_path, "small")
    endpoint = server.endpoint
    server.shutdown()
    server.server_close()
    with pytest.raises(DownloadError, match="cannot be reached"):
        download(Hub(endpoint), "test/model", "_q4", tmp_path, "small")


def test_offline_asks_nobody(server: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(NETWORK, "offline", True)
    with pytest.raises(OfflineError, match="Offline"):
        fetch(server, tmp_path)
    assert server.asked == []


def test_the_catalogue_makes_sense() -> None:
    models = load_catalogue()
    assert len({model.id for model in models}) == len(models) >= 5
    assert [model.bytes for model in models] == sorted(model.bytes for model in models)
    for model in models:
        assert bool(model.repository) != bool(model.checkpoint)
        assert model.memory > model.bytes > 10**9
        assert model.takes <= {"image", "audio", "video"}
        assert model.terms.startswith("https://")
        assert model.licence == "Apache-2.0"
