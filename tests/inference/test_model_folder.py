"""Model folders: what is found in them, and what broken ones get to hear."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from inference.errors import LarimarError, ModelFolderError, UnsupportedModelError
from inference.language_model import LanguageModel
from inference.model_folder import ModelFolder, default_model_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that looks complete; its graphs are empty files."""
    path = tmp_path / "some-model"
    (path / "onnx").mkdir(parents=True)
    (path / "config.json").write_text(
        json.dumps({"model_type": "gemma4", "text_config": {"max_position_embeddings": 2048}})
    )
    (path / "tokenizer.json").write_text("{}")
    for name in ("decoder_model_merged_q4.onnx", "embed_tokens_q4.onnx"):
        (path / "onnx" / name).touch()
    return path


def test_what_is_found(folder: Path) -> None:
    model = ModelFolder.open(str(folder))
    assert (model.name, model.demo, model.suffix, model.context_length) == ("some-model", False, "_q4", 2048)
    assert model.graph("embed_tokens") == folder / "onnx" / "embed_tokens_q4.onnx"
    assert model.modalities == frozenset()
    (folder / "larimar.json").write_text(json.dumps({"name": "Larimar demo", "demo": True}))
    (folder / "chat_template.jinja").write_text("{{ messages }}")
    model = ModelFolder.open(folder)
    assert (model.name, model.demo, model.chat_template) == ("Larimar demo", True, "{{ messages }}")


def test_an_older_folder_keeps_its_template_in_the_tokenizer_config(folder: Path) -> None:
    (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": "old"}))
    assert ModelFolder.open(folder).chat_template == "old"


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: (path / "config.json").unlink(), r"config\.json is missing"),
        (lambda path: (path / "config.json").write_text("{"), "damaged"),
        (lambda path: (path / "config.json").write_text("[1]"), "damaged"),
        (lambda path: (path / "config.json").write_bytes(b"\xff\xfe{"), "damaged"),
        (lambda path: (path / "tokenizer.json").unlink(), r"lacks tokenizer\.json"),
        (lambda path: (path / "onnx" / "embed_tokens_q4.onnx").unlink(), r"lacks onnx/embed_tokens_q4\.onnx"),
        (lambda path: (path / "onnx" / "decoder_model_merged_q4.onnx").unlink(), "must be converted first"),
        (lambda path: (path / "larimar.json").write_text("?"), "damaged"),
    ],
)
def test_a_broken_folder_is_told_in_a_sentence(folder: Path, damage: object, message: str) -> None:
    damage(folder)  # type: ignore[operator]
    with pytest.raises(ModelFolderError, match=message):
        ModelFolder.open(folder)


def test_a_missing_folder_and_another_model(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelFolderError, match="There is no model folder"):
        ModelFolder.open(tmp_path / "nothing")
    (folder / "config.json").write_text(json.dumps({"model_type": "qwen3"}))
    with pytest.raises(UnsupportedModelError, match="qwen3"):
        ModelFolder.open(folder)


@pytest.mark.parametrize("content", [b"", b"not a graph", b"\x08\x0a" * 500])
def test_a_damaged_graph_is_told_in_a_sentence(folder: Path, content: bytes) -> None:
    for name in ("decoder_model_merged_q4.onnx", "embed_tokens_q4.onnx"):
        (folder / "onnx" / name).write_bytes(content)
    with pytest.raises(LarimarError, match="damaged or incomplete"):
        LanguageModel.open(ModelFolder.open(folder), provider="cpu")


def test_the_default_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("LARIMAR_MODEL", raising=False)
    assert default_model_folder().parts[-2:] == ("resources", "demo_model")
    monkeypatch.setenv("LARIMAR_MODEL", str(tmp_path))
    assert default_model_folder() == tmp_path


def test_pictures_are_seen_as_the_model_was_trained_for(folder: Path) -> None:
    model = ModelFolder.open(folder)
    assert (model.image_soft_tokens, model.most_image_soft_tokens) == (280, 1120)
    (folder / "processor_config.json").write_text(json.dumps({"image_processor": {"max_soft_tokens": 70}}))
    (folder / "larimar.json").write_text(json.dumps({"most_image_soft_tokens": 140}))
    model = ModelFolder.open(folder)
    assert (model.image_soft_tokens, model.most_image_soft_tokens) == (70, 140)
    (folder / "processor_config.json").write_text(json.dumps({"image_processor": {"max_soft_tokens": 71}}))
    assert ModelFolder.open(folder).image_soft_tokens == 280
