"""What the program finds on the disk, and says of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes.hub_server import small_model, write

from inference.errors import LarimarError
from inference.installed_models import installed_models, remove_model

NO_CACHE = Path("/nowhere")


def test_the_demo_is_there_and_marked(tmp_path: Path) -> None:
    (demo,) = installed_models(tmp_path / "none", hub_cache=NO_CACHE)
    assert demo.demo
    assert demo.origin == "demo"
    assert demo.problem == ""
    assert demo.bytes > 10**6


def test_ours_added_and_cached_are_found_once(tmp_path: Path) -> None:
    ours = write(small_model(), tmp_path / "models" / "One").parent
    write(small_model(), ours / ".downloading" / "Half")
    added = write(small_model(), tmp_path / "elsewhere" / "Two")
    snapshots = tmp_path / "hub" / "models--org--gemma-4-E2B-it-ONNX" / "snapshots"
    write(small_model(), snapshots / ("a" * 40))
    write({"config.json": b"{}"}, tmp_path / "hub" / "models--org--another" / "snapshots" / ("b" * 40))
    found = installed_models(ours, [added, ours / "One"], tmp_path / "hub")
    assert [(model.name, model.origin) for model in found[1:]] == [
        ("gemma-4-E2B-it-ONNX", "hub cache"),
        ("One", "ours"),
        ("Two", "added"),
    ]
    one = found[2]
    assert one.takes == {"image", "video"}
    assert one.drafter
    assert one.precision == "4 bit"
    assert one.context == 4096
    assert 600_000 < one.bytes < 610_000


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ("tokenizer.json", "lacks tokenizer.json"),
        ("onnx/embed_tokens_q4.onnx", "lacks onnx/embed_tokens_q4.onnx"),
        ("config.json", "config.json is missing"),
    ],
)
def test_a_truncated_folder_is_listed_with_a_sentence(tmp_path: Path, damage: str, words: str) -> None:
    path = write(small_model(), tmp_path / "models" / "Broken")
    (path / damage).unlink()
    _, broken = installed_models(tmp_path / "models", hub_cache=NO_CACHE)
    assert words in broken.problem
    assert broken.name == "Broken"


def test_an_empty_file_of_weights_is_said(tmp_path: Path) -> None:
    path = write(small_model(), tmp_path / "models" / "Broken")
    (path / "onnx" / "decoder_model_merged_q4.onnx_data").write_bytes(b"")
    _, broken = installed_models(tmp_path / "models", hub_cache=NO_CACHE)
    assert "is empty" in broken.problem


def test_only_what_we_downloaded_is_deleted(tmp_path: Path) -> None:
    write(small_model(), tmp_path / "models" / "One")
    added = write(small_model(), tmp_path / "Two")
    demo, one, two = installed_models(tmp_path / "models", [added], NO_CACHE)
    for stays in (demo, two):
        with pytest.raises(LarimarError, match="stays where it is"):
            remove_model(stays)
    assert added.is_dir()
    remove_model(one)
    assert list((tmp_path / "models").iterdir()) == []
