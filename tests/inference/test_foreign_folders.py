"""Whole model folders by strangers: opened, or refused with a sentence, whatever is in them."""

from __future__ import annotations

import json
import os
import random
import shutil
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from inference import language_model
from inference.engine import Engine
from inference.errors import LarimarError, ModelFolderError, OutOfMemoryError
from inference.foreign_names import printable
from inference.graphs import session
from inference.graphs.embedder import Embedder
from inference.graphs.session import open_session
from inference.installed_models import look_at
from inference.kv_cache import CacheSpec, KVCache
from inference.messages import Done, ReplyOptions, Turn
from inference.model_folder import ModelFolder, default_model_folder
from tests.fuzzing import examples
from tests.inference.mutations import damaged, json_text, mutated, replace_by_something_else

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="links and pipes need rights of their own there")

DEMO = default_model_folder()
JSON_FILES = ("config.json", "generation_config.json", "larimar.json", "processor_config.json", "tokenizer_config.json")
SHORT = ReplyOptions(temperature=0, max_tokens=3)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the demo model."""
    return copy_of_demo(tmp_path / "model")


def copy_of_demo(path: Path) -> Path:
    shutil.copytree(DEMO, path, ignore=shutil.ignore_patterns("training", "README.md"))
    return path


def answer(path: Path) -> str:
    engine = Engine.open(path, provider="cpu", threads=1)
    try:
        events = list(engine.reply([Turn.of("user", "Who are you?")], SHORT))
        assert isinstance(events[-1], Done)
        return "".join(getattr(event, "text", "") for event in events)
    finally:
        engine.close()


def hub_cache(path: Path, blobs: Path) -> Path:
    """Return a snapshot as Hugging Face's libraries lay it out: each file a link to a blob named by its hash."""
    snapshot = path / "models--someone--demo" / "snapshots" / "abc"
    blobs.mkdir(parents=True)
    files = [file for file in DEMO.rglob("*") if file.is_file() and "training" not in file.parts]
    for number, file in enumerate(files):
        blob = blobs / f"{number:040x}"
        shutil.copyfile(file, blob)
        link = snapshot / file.relative_to(DEMO)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(os.path.relpath(blob, link.parent))
    return snapshot


def test_a_folder_of_links_answers_like_the_demo(tmp_path: Path) -> None:
    snapshot = hub_cache(tmp_path, tmp_path / "models--someone--demo" / "blobs")
    assert answer(snapshot) == answer(DEMO)
    assert look_at(snapshot, "hub cache").problem == ""


def test_weights_linked_singly_to_another_disk_are_found(folder: Path, tmp_path: Path) -> None:
    other = Path("/dev/shm") if Path("/dev/shm").is_dir() else tmp_path
    elsewhere = other / f"larimar-test-{os.getpid()}"
    elsewhere.mkdir()
    try:
        for name in ("decoder_model_merged_q4.onnx_data", "drafter_q4.onnx_data"):
            shutil.move(folder / "onnx" / name, elsewhere / name)
            (folder / "onnx" / name).symlink_to(elsewhere / name)
        assert answer(folder) == answer(DEMO)
        assert look_at(folder, "added").problem == ""
    finally:
        shutil.rmtree(elsewhere)


def test_a_link_to_the_folder_itself(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder)
    assert answer(tmp_path / "link") == answer(DEMO)


@pytest.mark.parametrize(
    "location", ["../secret", "/etc/passwd", "a/../../secret", "C:\\x", "\\\\host\\x", "..\\x", "a\0b"]
)
def test_weights_by_a_name_that_leads_out_of_the_folder_are_refused(tmp_path: Path, location: str) -> None:
    onnx = pytest.importorskip("onnx")
    (tmp_path / "w").write_bytes(bytes(4096))
    graph = _graph_with_weights(onnx, tmp_path / "model", location, length=4096)
    with pytest.raises(ModelFolderError, match="outside of its own folder"):
        open_session(graph, "cpu", threads=1)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda file: file.unlink(), "does not exist"),
        (lambda file: (file.unlink(), os.mkfifo(file)), "is a pipe"),
        (lambda file: (file.unlink(), file.mkdir()), "is a folder"),
        (lambda file: (file.unlink(), file.symlink_to("w")), "cannot be read"),
        (lambda file: (file.unlink(), file.symlink_to("/dev/zero")), "is a device"),
        (lambda file: file.write_bytes(bytes(100)), "3,996 bytes are missing"),
    ],
)
def test_weights_that_are_not_there(tmp_path: Path, damage: Callable[[Path], object], reason: str) -> None:
    onnx = pytest.importorskip("onnx")
    graph = _graph_with_weights(onnx, tmp_path, "w", length=4096)
    damage(tmp_path / "w")
    with pytest.raises(ModelFolderError, match=reason):
        open_session(graph, "cpu", threads=1)


@pytest.mark.parametrize("value", ["-1", "9" * 5000, "1e9", "", "0x10", "٣"])
def test_weights_at_no_place(tmp_path: Path, value: str) -> None:
    onnx = pytest.importorskip("onnx")
    graph = _graph_with_weights(onnx, tmp_path, "w", length=value)
    with pytest.raises(ModelFolderError, match="damaged or incomplete"):
        open_session(graph, "cpu", threads=1)


def _graph_with_weights(onnx: Any, folder: Path, location: str, length: object) -> Path:
    folder.mkdir(exist_ok=True)
    tensor = onnx.TensorProto(name="w", data_type=1, dims=[1024], data_location=1)
    for key, value in (("location", location), ("offset", "0"), ("length", str(length))):
        tensor.external_data.add(key=key, value=value)
    node = onnx.helper.make_node("Identity", ["w"], ["y"])
    result = onnx.helper.make_tensor_value_info("y", 1, [1024])
    model = onnx.helper.make_model(onnx.helper.make_graph([node], "g", [], [result], [tensor]), ir_version=10)
    (folder / "g.onnx").write_bytes(model.SerializeToString())
    (folder / "w").write_bytes(bytes(4096))
    return folder / "g.onnx"


def _endless(onnx: Any, rounds: str) -> Any:
    """Return a model that has, beside its output, a loop of so many rounds ("" for no number)."""
    helper = onnx.helper
    number, truth, values = (
        helper.make_tensor_value_info(*each) for each in (("i", 7, []), ("c", 9, []), ("x", 1, [1]))
    )
    body = helper.make_graph(
        [helper.make_node("Identity", ["c"], ["more"]), helper.make_node("Identity", ["x"], ["z"])],
        "body",
        [number, truth, values],
        [helper.make_tensor_value_info("more", 9, []), helper.make_tensor_value_info("z", 1, [1])],
    )
    constants = [
        helper.make_tensor("true", 9, [], [True]),
        helper.make_tensor("many", 7, [], [2**62]),
        helper.make_tensor("x0", 1, [1], [0.0]),
    ]
    return helper.make_node("Loop", [rounds, "true", "x0"], ["looped"], body=body), constants


def test_an_endless_loop_is_refused(folder: Path) -> None:
    onnx = pytest.importorskip("onnx")
    file = folder / "onnx" / "decoder_model_merged_q4.onnx"
    model = onnx.load(file, load_external_data=False)
    loop, constants = _endless(onnx, "")
    model.graph.node.insert(0, loop)
    model.graph.initializer.extend(constants)
    file.write_bytes(model.SerializeToString())
    with pytest.raises(ModelFolderError, match="loop that may have no end"):
        Engine.open(folder, provider="cpu", threads=1)


def test_a_loop_that_never_comes_to_its_end_is_stopped(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    onnx = pytest.importorskip("onnx")
    monkeypatch.setattr(language_model, "_MOST_SECONDS", 1.0)
    file = folder / "onnx" / "decoder_model_merged_q4.onnx"
    model = onnx.load(file, load_external_data=False)
    loop, constants = _endless(onnx, "many")
    model.graph.node.insert(0, loop)
    model.graph.initializer.extend(constants)
    model.graph.output.append(onnx.helper.make_tensor_value_info("looped", 1, [1]))
    # what nobody needs is left out: the logits wait for it
    logits = next(node for node in model.graph.node if "logits" in node.output)
    logits.output[list(logits.output).index("logits")] = "before"
    model.graph.node.append(onnx.helper.make_node("Add", ["before", "looped"], ["logits"]))
    file.write_bytes(model.SerializeToString())
    with pytest.raises(ModelFolderError, match="the end of a single word"):
        Engine.open(folder, provider="cpu", threads=1)


def test_an_embedder_has_no_loops_and_a_graph_no_functions(folder: Path) -> None:
    onnx = pytest.importorskip("onnx")
    file = folder / "onnx" / "embed_tokens_q4.onnx"
    whole = file.read_bytes()
    model = onnx.load(file, load_external_data=False)
    loop, constants = _endless(onnx, "many")
    model.graph.node.insert(0, loop)
    model.graph.initializer.extend(constants)
    file.write_bytes(model.SerializeToString())
    with pytest.raises(ModelFolderError, match="loop that may have no end"):
        Embedder(file)
    model = onnx.load_from_string(whole)
    identity = onnx.helper.make_node("Identity", ["a"], ["b"])
    model.functions.append(onnx.helper.make_function("mine", "F", ["a"], ["b"], [identity], model.opset_import))
    file.write_bytes(model.SerializeToString())
    with pytest.raises(ModelFolderError, match="functions of its own"):
        Embedder(file)


def test_a_cache_larger_than_the_memory_is_not_allocated() -> None:
    with pytest.raises(OutOfMemoryError, match="not enough memory"):
        KVCache({"past_key_values.0.key": CacheSpec(4096, 2**17, "float32")}, 2**24)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("config.json", "[" * 100_000),
        ("config.json", '{"model_type": "gemma4_text", "max_position_embeddings": ' + "9" * 5000 + "}"),
        ("config.json", '{"model_type": "gemma4_text", "max_position_embeddings": -1}'),
        ("config.json", '{"model_type": "gemma4_text", "sliding_window": 1e300}'),
        ("config.json", '{"model_type": "gemma4_text", "layer_types": 5}'),
        ("config.json", '{"model_type": "gemma4_text", "num_kv_shared_layers": "many"}'),
        ("config.json", '{"model_type": "gemma4", "text_config": []}'),
        ("config.json", '{"model_type": "gemma4", "audio_config": 5}'),
        ("config.json", '{"model_type": "gemma4", "image_token_id": 4294967296}'),
        ("config.json", '{"model_type": ["\\u001b[2J"]}'),
        ("generation_config.json", '{"eos_token_id": [18446744073709551616]}'),
        ("generation_config.json", '{"bos_token_id": -5}'),
        ("generation_config.json", '{"temperature": Infinity}'),
        ("generation_config.json", '{"top_k": 0.5e300}'),
        ("generation_config.json", '{"suppress_tokens": {"a": 1}}'),
        ("larimar.json", '{"name": 5}'),
        ("larimar.json", '{"most_image_soft_tokens": 1e9}'),
        ("processor_config.json", '{"image_processor": {"max_soft_tokens": "x"}}'),
        ("processor_config.json", '{"image_processor": 3}'),
        ("chat_template.jinja", "{{ 1 }}" * 5_000_000),
        ("tokenizer.json", "{}"),
    ],
    ids=lambda value: value[:50],
)
def test_what_a_file_says_is_not_believed(folder: Path, file: str, content: str) -> None:
    (folder / file).write_text(content, encoding="utf-8")
    with pytest.raises(LarimarError) as caught:
        answer(folder)
    assert str(caught.value) == printable(str(caught.value))
    assert len(str(caught.value)) < 600


def test_a_name_cannot_steer_a_terminal(folder: Path) -> None:
    (folder / "larimar.json").write_text(json.dumps({"name": "\x1b]0;x\x07Ge\u202emma\n\x1b[31m" + "9" * 500}))
    name = ModelFolder.open(folder).name
    assert name.startswith("Ge mma 999")
    assert len(name) == 100
    assert look_at(folder, "added").name == name


@pytest.fixture
def known_sessions(monkeypatch: pytest.MonkeyPatch) -> None:
    """The runtime opens what it has opened already without doing it again; everything is looked over each time."""
    open_anew: Any = session._open
    known: dict[object, Any] = {}

    def opened(runtime: Any, path: Path, folder: Path, providers: Any, threads: Any, content: Any, cancel: Any) -> Any:
        status = [os.stat(file) for file in (path, path.with_name(path.name + "_data"))]
        key = path.name, content, *(value for each in status for value in (each.st_size, each.st_mtime_ns))
        if key not in known:
            if len(known) > 40:
                known.clear()
            known[key] = open_anew(runtime, path, folder, providers, threads, content, cancel)
        return known[key]

    monkeypatch.setattr(session, "_open", opened)


def test_any_folder_opens_or_is_refused(tmp_path: Path, known_sessions: None) -> None:
    path = copy_of_demo(tmp_path / "model")
    contents = {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}
    for file in contents:
        os.utime(file, (0, 0))
    for seed in range(examples(60)):
        open_damaged(path, contents, seed)


def open_damaged(path: Path, contents: dict[Path, bytes], seed: int) -> None:
    """Damage a folder by chance, open it and ask it something, and mend it."""
    rng = random.Random(seed)
    small = [path / name for name in JSON_FILES]
    graphs = sorted(file for file in contents if file.suffix == ".onnx")
    changed = set()
    for _ in range(rng.choice([1, 1, 1, 2])):
        what = rng.random()
        file = rng.choice(small)
        if what < 0.7:
            value = mutated(json.loads(contents[file]), rng, rng.choice([1, 1, 2, 4]))
            put(file, json_text(value, rng))
        elif what < 0.8:
            put(file, damaged(contents[file], rng))
        elif what < 0.9 and not changed:
            file = rng.choice(sorted(contents))
            replace_by_something_else(file, rng)
        elif not changed:
            file = rng.choice(graphs)
            file = rng.choice([file, file.with_name(file.name + "_data")])
            put(file, contents[file][: rng.randrange(len(contents[file]))])
        changed.add(file)
    try:
        answer(path)
        look_at(path, "added")
    except LarimarError as error:
        assert str(error).endswith("."), seed  # noqa: PT017
    except BaseException:
        print("seed", seed, changed)
        raise
    for file in changed:
        put(file, contents[file])
        os.utime(file, (0, 0))


def put(file: Path, content: bytes) -> None:
    """Write a file anew: one that is mapped by a session stays what it was."""
    if file.is_dir() and not file.is_symlink():
        file.rmdir()
    elif os.path.lexists(file):
        file.unlink()
    file.write_bytes(content)


def test_a_header_of_any_size_is_not_believed(folder: Path) -> None:
    file = folder / "onnx" / "decoder_model_merged_q4.onnx"
    for content in (
        struct.pack("<Q", 2**63),
        b"\x3a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        b"\x3a" + b"\xff" * 5000,
    ):
        file.write_bytes(content)
        with pytest.raises(LarimarError):
            answer(folder)


def test_token_ids_beyond_the_graphs_are_told(folder: Path) -> None:
    content = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    vocabulary = content["model"]["vocab"]
    ids = dict(vocabulary)
    vocabulary["Who"] = 10**9
    (folder / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ModelFolderError, match="does not belong to its graphs"):
        answer(folder)
    vocabulary |= {"Who": ids["Who"], "<|turn>": 2**31}
    for token in content["added_tokens"]:
        token["id"] = vocabulary.get(token["content"], token["id"])
    (folder / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ModelFolderError, match="do not belong together"):
        answer(folder)


def test_an_end_beyond_the_vocabulary_is_no_end_of_json(folder: Path) -> None:
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": [1, 2**31 - 1]}))
    engine = Engine.open(folder, provider="cpu", threads=1)
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    events = list(engine.reply([Turn.of("user", "Hi")], ReplyOptions(temperature=0, max_tokens=4, json_schema=schema)))
    assert isinstance(events[-1], Done)
    engine.close()
