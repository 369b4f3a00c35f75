"""Tokenizers by strangers: what multiplies, hangs or panics is refused with a sentence."""

from __future__ import annotations

import copy
import json
import os
import random
from pathlib import Path
from typing import Any

import pytest

from inference.errors import ContextFullError, LarimarError, ModelFolderError
from inference.model_folder import default_model_folder
from inference.tokenizer import Tokenizer
from inference.tokenizer_bounds import is_linear
from tests.fuzzing import examples
from tests.inference.mutations import json_text, mutated

SMALL: dict[str, Any] = {
    "vocab": {
        "a": 0,
        "b": 1,
        "ab": 2,
        "é": 3,
        "▁": 4,
        "éa": 5,
        "<0xE2>": 6,
        "<0x82>": 7,
        "<0xAC>": 8,
        "▁b": 9,
        "<bos>": 10,
    },
    "merges": [["a", "b"], ["é", "a"], "▁ b"],
}
REPLACE: dict[str, Any] = {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}


@pytest.fixture(scope="module")
def demo() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((default_model_folder() / "tokenizer.json").read_text(encoding="utf-8"))
    return found


def _open(folder: Path, content: dict[str, Any] | bytes) -> Tokenizer:
    path = folder / "tokenizer.json"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content, ensure_ascii=False).encode())
    return Tokenizer.open(path)


def test_the_demo_is_taken(tmp_path: Path, demo: dict[str, Any]) -> None:
    assert _open(tmp_path, demo).encode("Who are you?")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"normalizer": {**REPLACE, "pattern": {"Regex": "(x+x+)+y"}}}, "regular expression"),
        ({"normalizer": {**REPLACE, "content": "▁" * 100}}, "multiplies"),
        ({"normalizer": {"type": "Sequence", "normalizers": [{**REPLACE, "content": "  "}] * 6}}, "multiplies"),
        ({"normalizer": {"type": "Sequence", "normalizers": [REPLACE] * 40}}, "a part that"),
        ({"normalizer": {"type": "Prepend", "prepend": "x" * 99}}, "multiplies"),
        ({"normalizer": {"type": "Sequence", "normalizers": [{"type": "NFKD"}] * 3}}, "multiplies"),
        ({"normalizer": {"type": "Precompiled", "precompiled_charsmap": "AAAA"}}, "cannot be read|a part that"),
        ({"normalizer": {**REPLACE, "pattern": {"Regex": "a?"}, "content": "x" * 50}}, "multiplies"),
        ({"pre_tokenizer": {"type": "Split", "pattern": {"Regex": "(a|a)*b"}, "behavior": "Isolated"}}, "regular"),
        ({"decoder": {"type": "Replace", "pattern": {"String": "▁"}, "content": " " * 99}}, "multiplies"),
        ({"decoder": {"type": "CTC", "pad_token": "a", "word_delimiter_token": "b", "cleanup": True}}, "a part that"),
        ({"model": {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"}}, "type WordLevel"),
        ({"model": {"type": "BPE", "vocab": {"a": 1 << 32}, "merges": []}}, "cannot be read"),
        ({"model": {"type": "BPE", "vocab": {"a": -1}, "merges": []}}, "cannot be read"),
        ({"model": {"type": "BPE", "vocab": {"a": 0}, "merges": [], "dropout": 0.5}}, "by chance"),
        ({"truncation": {"max_length": 1, "strategy": "LongestFirst", "stride": 9, "direction": "Right"}}, None),
    ],
    ids=lambda value: "",
)  # fmt: skip
def test_what_is_refused(tmp_path: Path, demo: dict[str, Any], changes: dict[str, Any], reason: str | None) -> None:
    if reason is None:
        assert _open(tmp_path, demo | changes).encode("Who are you?") == _open(tmp_path, demo).encode("Who are you?")
        return
    with pytest.raises(ModelFolderError, match=reason) as caught:
        _open(tmp_path, demo | changes)
    assert "download or convert the model again" in str(caught.value)


def test_a_long_control_token_is_refused(tmp_path: Path, demo: dict[str, Any]) -> None:
    changed = copy.deepcopy(demo)
    changed["added_tokens"][-1]["content"] = "<|" + "x" * 200 + ">"
    with pytest.raises(ModelFolderError, match="added token"):
        _open(tmp_path, changed)


def test_a_pattern_cannot_hide_behind_escapes(tmp_path: Path, demo: dict[str, Any]) -> None:
    content = json.dumps(demo | {"normalizer": {**REPLACE, "pattern": {"Regex": "(x+x+)+y"}}}).encode()
    with pytest.raises(ModelFolderError, match="escape sequences"):
        _open(tmp_path, content.replace(b'"Regex": "(', b'"Re\\u0067ex": "('))
    words = json.dumps(demo, ensure_ascii=False).encode().replace(b'"Who"', b'"\\\\u0041"', 1)
    with pytest.raises(ModelFolderError, match="regular"):  # a token that reads like an escape is none
        _open(tmp_path, words.replace(b'"normalizer": {', b'"normalizer": {"pattern": {"Regex" : "(a+)+"}, "x": {', 1))


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(ModelFolderError, match="is missing"):
        Tokenizer.open(tmp_path / "tokenizer.json")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "itself").symlink_to("itself")
    (tmp_path / "zero").symlink_to("/dev/zero")
    for name in ("pipe", "itself", "zero"):
        with pytest.raises(ModelFolderError):
            Tokenizer.open(tmp_path / name)
    for content in (b"", b"[" * 100_000, b'{"a":' * 100_000, b"[" + b"1," * 5_000_000, b"\xff\xfe"):
        with pytest.raises(ModelFolderError):
            _open(tmp_path, content)


def test_what_the_library_raises_is_a_sentence(tmp_path: Path, demo: dict[str, Any]) -> None:
    tokenizer = _open(tmp_path, demo)

    class Panic(BaseException):
        pass

    class Broken:
        def encode(self, *args: object, **kwargs: object) -> object:
            raise Panic("called `Option::unwrap()` on a `None` value")

    tokenizer._backend = Broken()  # type: ignore[assignment]
    with pytest.raises(ModelFolderError, match="is damaged"):
        tokenizer.encode("hi")


def test_a_text_without_end_is_refused_before_it_is_read(
    tmp_path: Path, demo: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inference.tokenizer._MOST_CHARACTERS", 1000)
    with pytest.raises(ContextFullError, match="far too long"):
        _open(tmp_path, demo).encode("a" * 1001)


@pytest.mark.parametrize("pattern", [r"\n+|\p{N}|▁?[\p{L}\p{M}]+|▁?[^\s\p{L}\p{M}\p{N}▁]|▁+", "", ".*", "a?b?c*|d"])
def test_patterns_that_never_go_back(pattern: str) -> None:
    assert is_linear(pattern)


@pytest.mark.parametrize(
    "pattern", ["(x+x+)+y", "x+x+y", "a{9}", r"\s+(?!\S)", r"(a)\1", "x+?", "x++", "[a[b]]+", "a|b+c", "x" * 501, "("]
)
def test_patterns_that_may(pattern: str) -> None:
    assert not is_linear(pattern)


def test_any_change_is_taken_or_refused(tmp_path: Path, demo: dict[str, Any]) -> None:
    for seed in range(examples(60)):
        rng = random.Random(seed)
        changed = {**demo, **mutated({key: value for key, value in demo.items() if key != "model"}, rng)}
        changed["model"] = {**demo["model"], **mutated({**demo["model"], **SMALL}, rng, 2)}
        if rng.random() < 0.6:
            changed["model"] |= {"vocab": demo["model"]["vocab"], "merges": demo["model"]["merges"]}
        try:
            tokenizer = _open(tmp_path, json_text(changed, rng))
            ids = tokenizer.encode_prompt("Who are you? <|turn> " + "x" * 300 + "é\ud800", [13])
            tokenizer.decode(ids)
            for index in ids:
                tokenizer.piece(index)
        except LarimarError as error:
            assert "\n" not in str(error), seed  # noqa: PT017
