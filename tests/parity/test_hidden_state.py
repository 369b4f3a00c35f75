"""Decoders that were published without the hidden state get it back, exactly."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.cancellation import CancelToken
from inference.errors import ModelFolderError
from inference.graphs.hidden_state import HIDDEN_STATE, hidden_state_name, with_hidden_state
from inference.language_model import LanguageModel
from inference.model_folder import ModelFolder

pytestmark = pytest.mark.parity


def _without(file: Path, out: Path, *, keep_external_data: bool = False) -> Path:
    """Write the graph as others publish it: the output gone, and with it the name that would give it away."""
    model = onnx.load(file, load_external_data=not keep_external_data)
    outputs = [output for output in model.graph.output if output.name != HIDDEN_STATE]
    del model.graph.output[:]
    model.graph.output.extend(outputs)
    for node in model.graph.node:
        for names in (node.input, node.output):
            for index, name in enumerate(names):
                if name == HIDDEN_STATE:
                    names[index] = "/norm/output_0"
    out.write_bytes(model.SerializeToString())
    return out


def _run(model: bytes | str, name: str) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    draw = np.random.default_rng(0)
    feeds: dict[str, Any] = {"attention_mask": np.ones((1, 9), np.int64), "position_ids": np.arange(9)[None]}
    for node in session.get_inputs():
        if node.name.startswith("past_key_values."):
            feeds[node.name] = np.zeros((1, node.shape[1], 0, node.shape[3]), np.float32)
        elif node.name not in feeds:
            feeds[node.name] = draw.standard_normal((1, 9, *node.shape[2:])).astype(np.float32)
    return session.run([name], feeds)[0]


@pytest.mark.parametrize("precision", ["fp32", "q4"])
def test_the_hidden_state_of_a_published_decoder(converted: Any, kind: str, precision: str, tmp_path: Path) -> None:
    suffix = "_q4" if precision == "q4" else ""
    ours = converted(kind, precision).folder / "onnx" / f"decoder_model_merged{suffix}.onnx"
    published = _without(ours, tmp_path / "decoder.onnx")
    assert hidden_state_name(published) == "/norm/output_0"
    edited = with_hidden_state(published)
    assert edited is not None
    np.testing.assert_array_equal(_run(edited, "/norm/output_0"), _run(str(ours), HIDDEN_STATE))


@pytest.mark.parametrize("precision", ["fp32", "q4"])
def test_a_published_folder_opens_with_it(converted: Any, precision: str, tmp_path: Path) -> None:
    suffix = "_q4" if precision == "q4" else ""
    ours = converted("e2b", precision)
    folder = Path(shutil.copytree(ours.folder, tmp_path / "published"))
    graph = folder / "onnx" / f"decoder_model_merged{suffix}.onnx"
    _without(ours.folder / "onnx" / graph.name, tmp_path / "decoder.onnx", keep_external_data=True)
    graph.write_bytes((tmp_path / "decoder.onnx").read_bytes())
    model = LanguageModel.open(ModelFolder.open(folder), provider="cpu", threads=1)
    assert model._decoder.hidden_state == "/norm/output_0"
    assert model._decoder.hidden_state in {node.name for node in model._decoder._session.get_outputs()}
    same = ours.open()
    for each in (model, same):
        assert list(each.prefill([2, *range(130, 150)], CancelToken()))[-1] == 21
    np.testing.assert_array_equal(model.logits, same.logits)


def test_a_decoder_of_ours_needs_nothing(converted: Any) -> None:
    ours = converted("e2b").folder / "onnx" / "decoder_model_merged.onnx"
    assert hidden_state_name(ours) == HIDDEN_STATE
    assert with_hidden_state(ours) is None


def test_what_is_no_decoder(converted: Any, tmp_path: Path) -> None:
    embedder = converted("e2b").folder / "onnx" / "embed_tokens.onnx"
    with pytest.raises(ModelFolderError, match="not a decoder graph"):
        with_hidden_state(embedder)
    with pytest.raises(ModelFolderError, match="does not exist"):
        with_hidden_state(tmp_path / "nothing.onnx")


@settings(max_examples=200, deadline=None)
@given(content=st.binary(max_size=300))
def test_nonsense_is_told_as_such(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.getbasetemp() / "nonsense.onnx"
    file.write_bytes(content)
    with pytest.raises(ModelFolderError):
        with_hidden_state(file)
